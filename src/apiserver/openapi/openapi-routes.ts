import type { ApiAnswer, ApiCall, ApiRoute } from "../api-route.ts";
import { listGroups, listVersions } from "../discovery-documents.ts";
import { chooseMedia, type Media } from "../negotiation.ts";
import { createDocument, createJsonDocument, type Document, sendDocument } from "../send-document.ts";
import { createDefinitions } from "./definitions.ts";
import { encodeOpenApiV2 } from "./encode-openapi-v2.ts";
import type { Definitions } from "./json-schema.ts";
import { createOpenApiV2, toV2Json } from "./openapi-v2.ts";
import { createOpenApiV3 } from "./openapi-v3.ts";

/** What is sent. Clients ask for it by a second name, too, which by the rules is no media type at all. */
const PROTOBUF_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const PROTOBUF_TYPES: readonly string[] = [PROTOBUF_TYPE, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"];

const V3_MEDIA: readonly Media[] = [{ type: "application/json", as: null }];
const V2_MEDIA: readonly Media[] = [...V3_MEDIA, ...PROTOBUF_TYPES.map((type) => ({ type, as: null }))];

/**
 * OpenAPI 3 by group and version (`/openapi/v3` says where), and OpenAPI 2 in one piece. Made when first asked for, and
 * kept: kinds do not change while the server runs.
 */
export function createOpenApiRoutes(weftVersion: string): readonly ApiRoute[] {
  const definitions = once(createDefinitions);
  const parts = listParts().map((part) => ({
    ...part,
    document: once(() => createJsonDocument(createOpenApiV3(definitions(), { ...part, weftVersion }))),
  }));
  const index = once(() => createJsonDocument(toIndex(parts)));
  const v2 = once(() => createV2(definitions(), weftVersion));
  return [
    {
      method: "GET",
      path: "/openapi/v3",
      access: "authenticated",
      produces: V3_MEDIA,
      answer: (call) => sendDocument(call, index()),
    },
    ...parts.map(({ path, document }): ApiRoute => ({
      method: "GET",
      path: `/openapi/v3/${path}`,
      access: "authenticated",
      produces: V3_MEDIA,
      answer: (call) => sendDocument(call, document(), { isVersioned: call.query.get("hash") === document().hash }),
    })),
    {
      method: "GET",
      path: "/openapi/v2",
      access: "authenticated",
      produces: V2_MEDIA,
      answer: async (call) => sendV2(call, v2()),
    },
  ];
}

interface Part {
  readonly group: string;
  readonly version: string;
  /** `api/v1`, `apis/split.smi-spec.io/v1alpha4`. */
  readonly path: string;
}

function listParts(): readonly Part[] {
  return ["", ...listGroups()].flatMap((group) =>
    listVersions(group).map((version) => {
      const path = group === "" ? `api/${version}` : `apis/${group}/${version}`;
      return { group, version, path };
    }),
  );
}

function toIndex(parts: readonly (Part & { readonly document: () => Document })[]): object {
  return {
    paths: Object.fromEntries(
      parts.map(({ path, document }) => [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${document().hash}` }]),
    ),
  };
}

interface V2Documents {
  readonly json: () => Document;
  readonly protobuf: () => Promise<Document>;
}

function createV2(definitions: Definitions, weftVersion: string): V2Documents {
  const document = createOpenApiV2(definitions, weftVersion);
  return {
    json: once(() => createJsonDocument(toV2Json(document))),
    protobuf: once(async () => createDocument(await encodeOpenApiV2(document), PROTOBUF_TYPE)),
  };
}

async function sendV2(call: ApiCall, v2: V2Documents): Promise<ApiAnswer> {
  const { type } = chooseMedia(call.headers.accept, V2_MEDIA);
  return sendDocument(call, PROTOBUF_TYPES.includes(type) ? await v2.protobuf() : v2.json());
}

function once<T>(create: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => {
    made ??= { value: create() };
    return made.value;
  };
}
