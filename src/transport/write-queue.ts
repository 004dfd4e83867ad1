import { freeBytes } from "./free-bytes.ts";

/**
 * Writes up to this size are copied before `write` returns; larger ones may be kept by reference until they are sent. Less
 * than what a full TLS record brings, which is 16 KiB without a frame header, so that bulk passes without a copy.
 */
export const COPIED_BYTES: number = 12 * 1024;

/** For a platform that sends each buffer by a system call of its own: a copy of this much is cheaper than the call. */
export const MERGED_BYTES: number = 16 * 1024;

/** What small writes are copied into. Large enough that a new one is rare, small enough to cost little when retained. */
const SLAB_BYTES = 64 * 1024;

/** Lent arenas kept for the next turn; as many connections gather in one turn without allocating. */
const MAX_KEPT_ARENAS = 16;

/** Regions up to this long at the start of a slab are shown as views that are made once. */
const MAX_KEPT_VIEW_BYTES = 2 * 1024;

class Slab {
  /** A byte longer than what is filled: no region is all of it, by which `freeBytes` knows that it must not be freed. */
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES + 1);
  /** Regions given out and not given back. */
  live: number = 0;
  /** By length; made when the slab is filled from its start again, as only then they are of use. */
  #views: (Uint8Array | null)[] | null = null;

  view(start: number, end: number): Uint8Array {
    if (start > 0 || end > MAX_KEPT_VIEW_BYTES || this.#views === null) return this.bytes.subarray(start, end);
    let view = this.#views[end] ?? null;
    if (view === null) {
      view = this.bytes.subarray(0, end);
      this.#views[end] = view;
    }
    return view;
  }

  keepViews(): void {
    this.#views ??= Array.from({ length: MAX_KEPT_VIEW_BYTES + 1 }, () => null);
  }
}

/**
 * Where the small writes of all connections of one transport are gathered. It lends arenas of their own to connections
 * whose writes stay for a turn and would otherwise be cut into pieces by those of others.
 */
export class WriteArena {
  /** Writes up to this size are copied. */
  readonly copiedBytes: number;
  readonly #lent: WriteArena[] = [];
  slab: Slab = new Slab();
  position: number = 0;

  constructor(copiedBytes: number = COPIED_BYTES) {
    this.copiedBytes = copiedBytes;
  }

  /** Makes room for `count` more bytes behind `position`; when it returns, `slab` may be another one. */
  reserve(count: number): void {
    if (this.position + count > SLAB_BYTES) {
      this.slab = new Slab();
      this.position = 0;
    }
  }

  lend(): WriteArena {
    return this.#lent.pop() ?? new WriteArena(this.copiedBytes);
  }

  takeBack(arena: WriteArena): void {
    if (this.#lent.length < MAX_KEPT_ARENAS) this.#lent.push(arena);
  }

  /** A region's bytes are sent. Once none is left the slab is filled from its start again, so nothing is allocated. */
  release(slab: Slab): void {
    slab.live -= 1;
    if (slab.live !== 0 || slab !== this.slab) return;
    this.position = 0;
    slab.keepViews();
  }
}

/**
 * The bytes of one connection that wait for the kernel, in order: whole buffers kept by reference, then at most one open
 * region of the arena, which grows while writes follow one another. The usual flush finds only that region.
 */
export class WriteQueue {
  /** All bytes in the queue. */
  bytes: number = 0;
  /** Buffers kept by reference are freed when `consume` reaches their end. */
  freesSent: boolean = false;
  /** The transport's. */
  readonly #shared: WriteArena;
  /** The shared one, or the one lent while writes are gathered. */
  #arena: WriteArena;
  /** Finished buffers, from `#next` on. */
  readonly #buffers: Uint8Array[] = [];
  #next: number = 0;
  /** Bytes of the first buffer that are already sent. */
  #sent: number = 0;
  #slab: Slab | null = null;
  #start: number = 0;
  #end: number = 0;

  constructor(arena: WriteArena) {
    this.#shared = arena;
    this.#arena = arena;
  }

  /** What is appended from now on stays together although others write meanwhile, until the queue is empty. */
  gather(): void {
    if (this.bytes === 0 && this.#arena === this.#shared) this.#arena = this.#shared.lend();
  }

  append(bytes: Uint8Array): void {
    const count = bytes.length;
    if (count === 0) return;
    this.bytes += count;
    if (count > this.#shared.copiedBytes) {
      this.#seal();
      this.#buffers.push(bytes);
      return;
    }
    const arena = this.#arena;
    if (this.#slab !== arena.slab || this.#end !== arena.position || arena.position + count > SLAB_BYTES) {
      this.#seal();
      arena.reserve(count);
      this.#slab = arena.slab;
      this.#slab.live += 1;
      this.#start = arena.position;
    }
    arena.slab.bytes.set(bytes, arena.position);
    arena.position += count;
    this.#end = arena.position;
  }

  /** The buffer to send from next; meaningful while `bytes` is above 0. With `frontStart` and `frontLength` no view is made. */
  frontBuffer(): Uint8Array {
    const buffer = this.#buffers[this.#next];
    if (buffer !== undefined) return buffer;
    return (this.#slab as Slab).bytes;
  }

  frontStart(): number {
    return this.#next < this.#buffers.length ? this.#sent : this.#start;
  }

  frontLength(): number {
    const buffer = this.#buffers[this.#next];
    return buffer !== undefined ? buffer.length - this.#sent : this.#end - this.#start;
  }

  /** The kernel took `count` bytes of the front buffer. They may be overwritten from now on. */
  consume(count: number): void {
    this.bytes -= count;
    const buffer = this.#buffers[this.#next];
    if (buffer !== undefined) {
      this.#sent += count;
      if (this.#sent < buffer.length) return;
      this.#shift();
      if (this.freesSent) freeBytes(buffer);
      return;
    }
    this.#start += count;
    if (this.#start === this.#end) {
      this.#arena.release(this.#slab as Slab);
      this.#slab = null;
      if (this.#arena !== this.#shared) this.#giveBack();
    }
  }

  /** All that waits, when it is one buffer; else null. `consume` or `detach` follows. */
  onlyBuffer(): Uint8Array | null {
    const more = this.#buffers.length - this.#next;
    const slab = this.#slab;
    if (slab === null) return more === 1 ? (this.#buffers[this.#next] as Uint8Array) : null;
    return more === 0 ? slab.view(this.#start, this.#end) : null;
  }

  /** Takes the front buffer out. */
  take(): Uint8Array {
    const front = this.#buffers[this.#next] ?? (this.#slab as Slab).bytes.subarray(this.#start, this.#end);
    this.detach();
    return front;
  }

  /** Drops the front buffer, to which the platform may hold on: what it lies in is never filled again from its start. */
  detach(): void {
    const buffer = this.#buffers[this.#next];
    if (buffer !== undefined) {
      this.bytes -= buffer.length;
      this.#shift();
      return;
    }
    this.bytes -= this.#end - this.#start;
    this.#slab = null;
    if (this.#arena !== this.#shared) this.#giveBack();
  }

  clear(): void {
    this.bytes = 0;
    this.#buffers.length = 0;
    this.#next = 0;
    this.#sent = 0;
    if (this.#slab !== null) {
      this.#arena.release(this.#slab);
      this.#slab = null;
    }
    if (this.#arena !== this.#shared) this.#giveBack();
  }

  /** Closes the open region, so that a buffer can follow it. */
  #seal(): void {
    if (this.#slab === null) return;
    this.#buffers.push(this.#slab.bytes.subarray(this.#start, this.#end));
    this.#slab = null;
  }

  /** The queue is empty. Regions of the arena may still be with the platform; their slab is not filled again then. */
  #giveBack(): void {
    this.#shared.takeBack(this.#arena);
    this.#arena = this.#shared;
  }

  #shift(): void {
    this.#buffers[this.#next] = NOTHING;
    this.#next += 1;
    this.#sent = 0;
    if (this.#next === this.#buffers.length) {
      this.#buffers.length = 0;
      this.#next = 0;
      if (this.#slab === null && this.#arena !== this.#shared) this.#giveBack();
    }
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);
