// Every wrong resource of the corpus gets its message, the same from files and over the API, and changes nothing.
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { type Answer, sendToApi } from "../../src/apiserver/send-to-api.ts";
import { startTestApi, type TestApi } from "../../src/apiserver/start-test-api.ts";
import { parseResourceFile } from "../../src/resources/parse-file.ts";
import { formatProblem } from "../../src/resources/problem.ts";
import { findKind, KINDS } from "../../src/resources/registry.ts";
import { findCorpus } from "./find-corpus.ts";
import { readWrongResources, type WrongKind } from "./wrong-resources.ts";

interface Cause {
  readonly field: string;
  readonly message: string;
}

const corpus = readWrongResources(findCorpus(dirname(fileURLToPath(import.meta.url))));
let api: TestApi;

before(async () => {
  api = await startTestApi();
});

after(() => api.close());

test("the corpus has 220 wrong resources or more, and some of every kind that is served", () => {
  const kinds = new Set(corpus.map(({ base }) => base["kind"]));
  const missing = KINDS.filter(({ kind }) => !kinds.has(kind)).map(({ kind }) => kind);
  assert.deepEqual(missing, [], "a new kind needs a file in test/fixtures/wrong-resources");
  const count = corpus.reduce((sum, { wrong }) => sum + wrong.length, 0);
  assert.ok(count >= 220, `${count}`);
  for (const { file, wrong } of corpus) assert.ok(wrong.length >= 13, `${file}: ${wrong.length}`);
});

for (const kind of corpus) {
  describe(kind.file, () => {
    test("its base is valid, and is created", async () => {
      assert.deepEqual(readFile(kind.base), []);
      const { collection } = pathsOf(kind);
      const answer = await sendToApi(api, "POST", collection, { body: kind.base });
      assert.equal(answer.statusCode, 201, JSON.stringify(answer.body));
    });

    for (const { title, input, says } of kind.wrong) {
      test(title, async () => {
        assert.ok(says.length > 0);
        assert.deepEqual(readFile(input), says, "as a file");
        const { collection, object } = pathsOf(kind);
        const before_ = await sendToApi(api, "GET", object);
        const version = (await api.store.listAll()).resourceVersion;
        refuses(await sendToApi(api, "POST", collection, { body: input }), says);
        refuses(await sendToApi(api, "PUT", object, { body: input }), says);
        refuses(await sendToApi(api, "POST", `${collection}?dryRun=All`, { body: input }), says);
        assert.deepEqual((await sendToApi(api, "GET", object)).body, before_.body);
        assert.equal((await api.store.listAll()).resourceVersion, version, "nothing was written");
      });
    }
  });
}

/** What `weft apply` would say of a file with this resource alone. */
function readFile(input: unknown): readonly string[] {
  const { problems } = parseResourceFile(stringify(input, { aliasDuplicateObjects: false }), "file.yaml");
  return problems.filter(({ severity }) => severity === "error").map((problem) => withoutPlace(formatProblem(problem)));
}

function withoutPlace(text: string): string {
  return text.replace(/^file\.yaml:\d+:\d+: error: /, "");
}

function refuses(answer: Answer, says: readonly string[]): void {
  assert.deepEqual([answer.statusCode, answer.body["reason"]], [422, "Invalid"], JSON.stringify(answer.body));
  const { causes = [] } = answer.body["details"] as { readonly causes?: readonly Cause[] };
  const messages = causes.map(({ field, message }) => (field === "" ? message : `${field}: ${message}`));
  assert.deepEqual(messages.toSorted(), says.toSorted(), "over the API");
}

function pathsOf({ base }: WrongKind): { readonly collection: string; readonly object: string } {
  const { apiVersion, kind, metadata } = base as { apiVersion: string; kind: string; metadata: { name: string } };
  const definition = findKind(apiVersion, kind) ?? assert.fail(`${apiVersion} ${kind} is served`);
  const root = definition.group === "" ? "/api/v1" : `/apis/${apiVersion}`;
  const collection = `${root}${definition.namespaced ? "/namespaces/default" : ""}/${definition.plural}`;
  return { collection, object: `${collection}/${metadata.name}` };
}
