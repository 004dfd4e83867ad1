import type { Resource } from "../resource.ts";

/**
 * What each field of a kind means, for those who write it: `kubectl explain` prints these texts. They stand beside the
 * schemas and have the shape of their interfaces, so that the compiler refuses a field without a text, and a text
 * without a field. A field with fields of its own is `[text, {…}]`, also where it is a list of such objects.
 */
export interface KindDocs<T extends Resource> {
  /** One or two sentences about the kind. */
  readonly text: string;
  readonly fields: { readonly [K in OwnField<T>]-?: FieldDoc<T[K]> };
}

export type FieldDoc<V> = unknown extends V
  ? string
  : [ChildField<V>] extends [never]
    ? string
    : readonly [text: string, fields: { readonly [K in ChildField<V>]: FieldDoc<ChildOf<V, K>> }];

/** The same without the types, for whoever walks through it. */
export type AnyFieldDoc = string | readonly [text: string, fields: AnyFieldDocs];
export type AnyFieldDocs = Readonly<Record<string, AnyFieldDoc>>;
export interface AnyKindDocs {
  readonly text: string;
  readonly fields: AnyFieldDocs;
}

/** What every kind has is told apart from the kinds; so is a status of no form of its own. */
type SharedField = "apiVersion" | "kind" | "metadata";

type KnownField<T> = keyof { [K in keyof T as string extends K ? never : K]: T[K] } & string;

type OwnField<T> = {
  [K in KnownField<T>]: [Exclude<T[K], undefined>] extends [never]
    ? never
    : K extends "status"
      ? unknown extends T[K]
        ? never
        : K
      : K;
}[KnownField<T>] extends infer Field
  ? Exclude<Field & string, SharedField>
  : never;

type ElementOf<V> = V extends readonly (infer E)[] ? ElementOf<E> : V;
type ObjectOf<V> = Extract<ElementOf<NonNullable<V>>, object>;
type ChildField<V> = ObjectOf<V> extends infer O ? (O extends unknown ? KnownField<O> : never) : never;
type ChildOf<V, K extends string> =
  ObjectOf<V> extends infer O ? (O extends { readonly [P in K]?: infer C } ? C : never) : never;
