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
}
