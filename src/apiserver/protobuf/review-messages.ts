import { defineMessage, type MessageType } from "./message-type.ts";

/** What callers ask about themselves: of the answers, which clients send along empty, only the outlines are known here. */

const meta = defineMessage(`
  1 name string
  2 generateName string
  3 namespace string
  4 selfLink string
  5 uid string
  6 resourceVersion string
  7 generation int
  8 creationTimestamp time`);

const resourceAttributes = defineMessage(`
  1 namespace string
  2 verb string
  3 group string
  4 version string
  5 resource string
  6 subresource string
  7 name string`);

const nonResourceAttributes = defineMessage("1 path string\n2 verb string");

const accessSpec = defineMessage(
  "1 resourceAttributes resourceAttributes\n2 nonResourceAttributes nonResourceAttributes",
  { resourceAttributes, nonResourceAttributes },
);

const accessStatus = defineMessage(`
  1 allowed bool
  2 reason string
  3 evaluationError string
  4 denied bool`);

const rulesSpec = defineMessage("1 namespace string");
const rulesStatus = defineMessage("3 incomplete bool\n4 evaluationError string");

const userInfo = defineMessage("1 username string\n2 uid string\n3 groups string[]");
const selfStatus = defineMessage("1 userInfo userInfo", { userInfo });

/** By "<apiVersion> <kind>". */
export const REVIEW_MESSAGES: ReadonlyMap<string, MessageType> = new Map([
  [
    "authorization.k8s.io/v1 SelfSubjectAccessReview",
    defineMessage("1 metadata meta\n2 spec accessSpec\n3 status accessStatus", { meta, accessSpec, accessStatus }),
  ],
  [
    "authorization.k8s.io/v1 SelfSubjectRulesReview",
    defineMessage("1 metadata meta\n2 spec rulesSpec\n3 status rulesStatus", { meta, rulesSpec, rulesStatus }),
  ],
  [
    "authentication.k8s.io/v1 SelfSubjectReview",
    defineMessage("1 metadata meta\n2 status selfStatus", { meta, selfStatus }),
  ],
]);
