import { Head } from "../head.ts";

/** Where heads go that nobody reads: blocks of streams that are closed, decoded only to keep the table in step. */
export const ignoredHead: Head = new Head();
