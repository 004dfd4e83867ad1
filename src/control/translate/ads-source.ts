import { envoy } from "#gen/protos.js";

/** "On the stream that this came on." */
export const ADS_SOURCE: envoy.config.core.v3.ConfigSource = {
  ads: {},
  resourceApiVersion: envoy.config.core.v3.ApiVersion.V3,
};
