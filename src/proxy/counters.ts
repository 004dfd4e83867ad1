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
  /** Denied here, beside the caller, as the instances are kept from this proxy. */
  accessWithheld: number = 0;
  /** Allowed under permissive access; strict would have denied. */
  accessShadowDenied: number = 0;
  egress: number = 0;
  /** Flows of UDP that were begun for clients here; datagrams from clients and apps here, to them, and those that were lost. */
  udpFlows: number = 0;
  udpReceived: number = 0;
  udpSent: number = 0;
  udpDropped: number = 0;
  mirrors: number = 0;
  /** There were too many already. */
  mirrorsLeftOut: number = 0;
  /** Their service did not keep up with the request's body. */
  mirrorsCut: number = 0;
  /** Requests that wait in front of the app now; those that were refused there, above the middle class, of it, and below. */
  overloadWaiting: number = 0;
  overloadShedCritical: number = 0;
  overloadShedNormal: number = 0;
  overloadShedSheddable: number = 0;
  /** The same by reason: no room to wait, room made for another, waited for too long, too little time left. */
  overloadFull: number = 0;
  overloadPushedOut: number = 0;
  overloadWaited: number = 0;
  overloadLate: number = 0;
  /** Requests behind the gate, at the app, and how many there may be. */
  overloadInFlight: number = 0;
  overloadLimit: number = 0;
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
  /** Answers of the response cache: fresh ones, stale ones, and those that an instance said still hold. */
  cacheHits: number = 0;
  cacheStaleHits: number = 0;
  cacheRevalidated: number = 0;
  /** Requests that got another's answer. */
  cacheCollapsed: number = 0;
  /** GET and HEAD requests that went to an instance, whatever came of it. */
  cacheMisses: number = 0;
  cacheStored: number = 0;
  /** Thrown out to make room. */
  cacheEvicted: number = 0;
  /** Thrown out by a request that changes what they show. */
  cacheInvalidated: number = 0;
  cacheBytesNow: number = 0;
  cacheEntriesNow: number = 0;
  /** Rate buckets that were not full and made room for those of other callers. */
  rateBucketsForgotten: number = 0;
  faultDelays: number = 0;
  faultAborts: number = 0;
  faultResets: number = 0;
  faultSlowBodies: number = 0;
  /** Requests that a delay was meant for and that went on, as too many were held already. */
  faultDelaysOverLimit: number = 0;
}
