/**
 * Says which control plane runs the jobs that one is enough for: removing stale endpoints, collecting garbage. Serving needs
 * no lease. Ask before each write, not once per round: a job must stop while nobody else can have begun. And make the write a
 * compare-and-swap all the same: no lease stops a process that was suspended between the question and the write.
 */
export interface JobLease {
  /** True while this control plane is the one, for at least as long as one write to the store may take. Costs nothing. */
  held(): boolean;
}

/** For a store that only one control plane can open: the lock of its state folder is the lease. */
export const SOLE_JOB_LEASE: JobLease = { held: () => true };
