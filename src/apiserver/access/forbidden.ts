import { StatusError } from "../status.ts";
import type { AccessRequest } from "./authorize.ts";
import type { Principal } from "./principal.ts";

/** HTTP 403 in the words that Kubernetes uses, which its clients show as they are. */
export function forbidden(principal: Principal, request: AccessRequest, reason: string): StatusError {
  const { group, name, namespace, subresource } = request;
  const resource = subresource === "" ? request.resource : `${request.resource}/${subresource}`;
  const subject = group === "" ? request.resource : `${request.resource}.${group}`;
  const what = name === "" ? subject : `${subject} ${JSON.stringify(name)}`;
  const where = namespace === "" ? "at the cluster scope" : `in the namespace ${JSON.stringify(namespace)}`;
  return new StatusError(
    "Forbidden",
    `${what} is forbidden: User ${JSON.stringify(principal.name)} cannot ${request.verb} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(group)} ${where}: ${reason}`,
    { ...(name === "" ? {} : { name }), ...(group === "" ? {} : { group }), kind: request.resource },
  );
}
