/** Process-wide counts that belong to no edge; plain stores, read by metrics. */
export class ProxyCounters {
  downstreamOpen: number = 0;
  downstreamTotal: number = 0;
  upstreamOpen: number = 0;
  upstreamTotal: number = 0;
  tlsAccepted: number = 0;
  tlsRefused: number = 0;
  tlsConnected: number = 0;
  tlsConnectFailed: number = 0;
  retries: number = 0;
  retriesOverBudget: number = 0;
  accessDenied: number = 0;
  /** Allowed under permissive access; strict would have denied. */
  accessShadowDenied: number = 0;
  egress: number = 0;
  malformed: number = 0;
  xdsAccepted: number = 0;
  xdsRejected: number = 0;
  activeExchanges: number = 0;
  /** Workers that ended on their own and were started again. */
  workersReplaced: number = 0;
  /** Instances that outlier detection took out, and that it would have but for the sake of the others. */
  ejections: number = 0;
  ejectionsWithheld: number = 0;
  ejectedNow: number = 0;
  /** Circuits that opened, of services and instances; and those that are not closed now. */
  trips: number = 0;
  circuitsOpenNow: number = 0;
  /** What limits of a cluster did not let through, by kind. */
  overflowConnections: number = 0;
  overflowPending: number = 0;
  overflowRequests: number = 0;
  overflowRetries: number = 0;
  /** Active health checks by what they found. */
  checksPassed: number = 0;
  checksFailed: number = 0;
  checksUnknown: number = 0;
  /** Instances that fail their active checks. */
  unhealthyNow: number = 0;
}
