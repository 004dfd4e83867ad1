import type { Mesh } from "../mesh.ts";
import type { KindDocs } from "./field-docs.ts";

export const MESH_DOCS: KindDocs<Mesh> = {
  text: "Settings of the whole mesh. There is one, with the name mesh; without it every setting has its default.",
  fields: {
    spec: [
      "The settings.",
      {
        access:
          "strict: what no TrafficTarget allows is denied. permissive: it is allowed, and counted as what strict would have denied.",
        egress: "What happens to requests for hosts outside the mesh: allow or deny.",
        certificateLifetime:
          "How long a workload's certificate lives: a duration of 10s to 8760h, e.g. 24h. It is renewed at about half of it.",
      },
    ],
  },
};
