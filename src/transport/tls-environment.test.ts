import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSafeTlsEnvironment } from "./tls-environment.ts";

test("assertSafeTlsEnvironment() refuses an environment that turns certificate checks off", () => {
  assert.throws(() => assertSafeTlsEnvironment("0"), { code: "WEFT_TRANSPORT_TLS_ENVIRONMENT" });
  for (const value of [undefined, "", "1"]) assertSafeTlsEnvironment(value);
});
