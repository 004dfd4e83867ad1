// grpc-js sends a call when its channel is ready, and then sends all that waited at once: whose request a call is made for is
// known only where it is made. So its channels are followed there, and the fields travel in the call's metadata.

interface Context {
  fieldsFor(has: (name: string) => boolean, isGrpc: boolean): readonly (readonly [string, string])[];
}

interface FollowOptions {
  currentContext(): Context | undefined;
  isMeshName(host: string): boolean;
}

/** Of grpc-js's public API. */
interface Metadata {
  clone(): Metadata;
  get(name: string): readonly unknown[];
  set(name: string, value: string): void;
}

interface Call {
  start(metadata: Metadata, ...rest: unknown[]): unknown;
}

interface Channel {
  createCall?: (this: Channel, method: unknown, deadline: unknown, ...rest: unknown[]) => Call;
  /** "dns:name:port", or the proxy's when the channel goes by http_proxy. */
  getTarget(): string;
  /** Private; the name that was dialled, whatever proxy leads there. */
  readonly internalChannel?: { readonly defaultAuthority?: unknown };
}

const CHANNEL_FILE = /[\\/]@grpc[\\/]grpc-js[\\/]build[\\/]src[\\/]channel\.js$/;
const followed = new WeakSet<object>();

/** Every copy of grpc-js that the app has loaded. True when there is any. */
function followGrpcCalls(options: FollowOptions): boolean {
  let isFound = false;
  for (const [file, module] of Object.entries(require.cache)) {
    if (!CHANNEL_FILE.test(file)) continue;
    const exported = module?.exports as { ChannelImplementation?: { readonly prototype: Channel } } | undefined;
    const prototype = exported?.ChannelImplementation?.prototype;
    if (prototype === undefined) continue;
    isFound = true;
    if (!followed.has(prototype)) follow(prototype, options);
  }
  return isFound;
}

function follow(prototype: Channel, { currentContext, isMeshName }: FollowOptions): void {
  followed.add(prototype);
  const original = prototype.createCall;
  if (typeof original !== "function") return;
  prototype.createCall = function createCall(method, deadline, ...rest) {
    const call = original.call(this, method, deadline, ...rest);
    const context = currentContext();
    if (context !== undefined && isMeshName(hostOf(this))) carryIn(call, context, deadline !== Infinity);
    return call;
  };
}

function carryIn(call: Call, context: Context, hasDeadline: boolean): void {
  const { start } = call;
  call.start = function startWithContext(metadata, ...rest) {
    return start.call(this, addTo(metadata, context, hasDeadline), ...rest);
  };
}

/** The app may use its own metadata for other calls, so it stays as it is. */
function addTo(metadata: Metadata, context: Context, hasDeadline: boolean): Metadata {
  try {
    const copy = metadata.clone();
    const isSet = (name: string): boolean => (name === "grpc-timeout" && hasDeadline) || copy.get(name).length > 0;
    for (const [name, value] of context.fieldsFor(isSet, true)) copy.set(name, value);
    return copy;
  } catch {
    return metadata;
  }
}

/** "" when it cannot be told. */
function hostOf(channel: Channel): string {
  try {
    const authority = channel.internalChannel?.defaultAuthority;
    const target = typeof authority === "string" ? authority : channel.getTarget().replace(/^dns:(?:\/\/[^/]*\/)?/, "");
    return target.replace(/:\d+$/, "");
  } catch {
    return "";
  }
}

module.exports.followGrpcCalls = followGrpcCalls;
