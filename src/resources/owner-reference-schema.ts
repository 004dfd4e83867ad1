import { z } from "zod";
import type { OwnerReference } from "./resource.ts";
import { strictObject } from "./strict-object.ts";

/** Far above what anybody needs: a resource belongs to one other, seldom to a few. */
const MAX_OWNERS = 64;

const required = z.string("a string").min(1, "a string that is not empty");

const ownerReference: z.ZodType<OwnerReference> = strictObject<OwnerReference>({
  apiVersion: required,
  kind: required,
  name: required,
  uid: required,
  controller: z.boolean("true or false").exactOptional(),
  blockOwnerDeletion: z.boolean("true or false").exactOptional(),
});

/** `metadata.ownerReferences`: each owner once, one of them at most the controller. */
export const ownerReferences: z.ZodType<readonly OwnerReference[]> = z
  .array(ownerReference, "a list of owners")
  .max(MAX_OWNERS, `at most ${MAX_OWNERS} owners`)
  .superRefine((owners, context) => {
    const uids = new Set<string>();
    let controller: string | null = null;
    for (const [index, owner] of owners.entries()) {
      if (uids.has(owner.uid)) {
        context.addIssue({ code: "custom", path: [index, "uid"], message: "each owner once" });
      }
      uids.add(owner.uid);
      if (owner.controller !== true) continue;
      if (controller !== null) {
        const message = `one controller at most: "${controller}" is it already`;
        context.addIssue({ code: "custom", path: [index, "controller"], message });
      }
      controller = owner.name;
    }
  });
