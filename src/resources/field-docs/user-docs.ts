import type { User } from "../user.ts";
import type { KindDocs } from "./field-docs.ts";

const NOT_AFTER = "When it ends, in RFC 3339; left out, it does not end by itself.";

export const USER_DOCS: KindDocs<User> = {
  text: "Somebody who may use the API. Only admins can read or write users; deleting one ends its access at once.",
  fields: {
    spec: [
      "What the user may do, and how it proves who it is.",
      {
        role: "admin: everything. editor: everything but users and writing the Mesh. viewer: reading everything but users.",
        namespaces: "The namespaces the role holds in; left out, it holds in all of them. Not with the role admin.",
        tokens: [
          "Bearer tokens, each by its hash.",
          { sha256: "SHA-256 of the token's text, 64 hexadecimal digits.", notAfter: NOT_AFTER },
        ],
        certificates: [
          "Client certificates issued by the mesh; one that is not listed here is refused.",
          { sha256: "SHA-256 of the certificate in DER, 64 hexadecimal digits.", notAfter: NOT_AFTER },
        ],
      },
    ],
  },
};
