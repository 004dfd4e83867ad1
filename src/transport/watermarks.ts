/**
 * Above this many unsent bytes `write` returns false. Envoy's per-connection limit is 1 MiB, nginx's proxy buffers make
 * 64 KiB; 256 KiB fills a 10 Gbit/s path at 0.2 ms and lets ten thousand stuck readers cost 2.5 GB at most.
 */
export const HIGH_MARK_BYTES: number = 256 * 1024;

/** At or below this many, `onDrain` comes. Half of the high mark, so that a sender does not stop and go per write. */
export const LOW_MARK_BYTES: number = HIGH_MARK_BYTES / 2;

/**
 * What waits for the end of the turn leaves at the end of the callback once it is more than this: four full TLS records,
 * one read of plain TCP, about what one system call carries well; waiting for more would only take memory.
 */
export const BATCH_BYTES: number = 64 * 1024;

/** How long a caller may take for its TLS handshake before it is dropped. HAProxy and nginx users set 5 to 60 s. */
export const HANDSHAKE_TIMEOUT_MS: number = 10_000;

/** Idle time after which the kernel asks whether the peer still lives; a vanished host would hold its socket for ever. */
export const KEEP_ALIVE_IDLE_MS: number = 60_000;
