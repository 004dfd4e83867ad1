import { z } from "zod";

const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const QUALIFIED_NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const MAX_SUBDOMAIN_LENGTH = 253;

export const DNS_LABEL_RULE = "a DNS label: 1 to 63 of a-z, 0-9 and -, starting and ending with a letter or digit";
const DNS_SUBDOMAIN_RULE = "a DNS name: labels of a-z, 0-9 and - joined by dots, at most 253 characters";

export function isDnsLabel(text: string): boolean {
  return LABEL.test(text);
}

export function isDnsSubdomain(text: string): boolean {
  return text.length <= MAX_SUBDOMAIN_LENGTH && text.split(".").every(isDnsLabel);
}

/** Names of Services and namespaces: they become one part of a host name. */
export const dnsLabel: z.ZodType<string> = z
  .string(DNS_LABEL_RULE)
  .refine(isDnsLabel, { error: DNS_LABEL_RULE, abort: true });

/** Names of everything else, as in Kubernetes. */
export const dnsSubdomain: z.ZodType<string> = z
  .string(DNS_SUBDOMAIN_RULE)
  .refine(isDnsSubdomain, { error: DNS_SUBDOMAIN_RULE, abort: true });

/** Keys of labels and annotations: `[prefix/]name`. */
export const qualifiedName: z.ZodType<string> = z
  .string()
  .refine(
    isQualifiedName,
    "a name of at most 63 characters of A-Z, a-z, 0-9, -, _ and ., with an optional DNS prefix and /",
  );

/** A label's value; may be empty. */
export const labelValue: z.ZodType<string> = z
  .string("a string (numbers and booleans need quotes)")
  .refine(
    (text) => text === "" || QUALIFIED_NAME.test(text),
    "at most 63 characters of A-Z, a-z, 0-9, -, _ and ., starting and ending with a letter or digit",
  );

function isQualifiedName(text: string): boolean {
  const slash = text.indexOf("/");
  if (slash === -1) return QUALIFIED_NAME.test(text);
  return isDnsSubdomain(text.slice(0, slash)) && QUALIFIED_NAME.test(text.slice(slash + 1));
}
