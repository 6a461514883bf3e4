/** The public API of `@hermetic/policy`: what a destination demands of TLS, and whether a peer proved it. */
export type { RedisScriptClient } from './adapters/redis-script.ts'
export {
  type SharedPolicies,
  type SharedPoliciesOptions,
  sharedPolicies,
} from './adapters/redis-shared-policies.ts'
export {
  openSqlitePolicyCache,
  type SqlitePolicyCache,
  type SqlitePolicyCacheOptions,
} from './adapters/sqlite-policy-cache.ts'
export type { PolicyCacheOpenError } from './adapters/sqlite-policy-schema.ts'
export { authenticateByTlsa } from './dane/authenticate.ts'
export { DEFAULT_DIGESTS } from './dane/digest-agility.ts'
export type { DaneEvent, DaneResult } from './dane/events.ts'
export type {
  DaneAbsent,
  DaneAuthentication,
  DaneFacts,
  DaneFailure,
  DaneReason,
  NoDaneBecause,
  TlsaFacts,
  TlsaRecord,
} from './dane/facts.ts'
export type { HostOrigin } from './dane/reference-names.ts'
export {
  createDaneSource,
  type DaneOptions,
  type DaneQuestion,
  type DaneSource,
  daneFactsFor,
  noDane,
} from './dane/source.ts'
export { type TlsaDigest, tlsaText, type UnusableTlsa, usableTlsa } from './dane/tlsa-record.ts'
export { DaneWatch, type DaneWatchOptions, daneResult } from './dane/watch.ts'
export type { DnsAbsence, DnsAnswer, DnsFailure, DnsFailureReason, DnsRecords, ExtendedDnsError } from './dns/answer.ts'
export { isOurTrouble } from './dns/answer.ts'
export type { CacheLimits } from './dns/answer-cache.ts'
export { extendedErrorText, isValidationFailure } from './dns/extended-error.ts'
export type { DnsResolver, MxRecord, TlsaRecordData } from './dns/resolver.ts'
export { createStubResolver, type StubResolver, type StubResolverOptions } from './dns/stub-resolver.ts'
export { parseResolvConf, readSystemServers, type SystemServersError } from './dns/system-servers.ts'
export type { NameServer } from './dns/transport.ts'
export { decideTrust, type TrustSetting, type ValidatorKind } from './dns/trust.ts'
export { openTrustedDns, type TrustedDns, type TrustedDnsOptions, type ValidationTiming } from './dns/trusted-dns.ts'
export { programFolders } from './dns/unbound-program.ts'
export type { DaneSetting, DnssecState, OffBecause, ValidatorProblem } from './dns/validation-state.ts'
export { validatorProblemText } from './dns/validator-problem-text.ts'
export {
  type DomainName,
  type DomainNameError,
  isSubdomainOf,
  labels,
  type OwnerName,
  ownerName,
  parseDomainName,
  parseOwnerName,
} from './domain-name.ts'
export {
  type AddressJudgement,
  type AddressRules,
  expandWildcards,
  judgeAddress,
  type Listener,
  type RefusalReason,
} from './egress/address-guard.ts'
export { addressBytes, type Cidr, type CidrError, cidrContains, parseCidr } from './egress/cidr.ts'
export {
  GuardedHttps,
  type GuardedHttpsOptions,
  type HttpsDocument,
  type HttpsReply,
  type PostRequest,
} from './egress/guarded-https.ts'
export type { ResponseHead } from './egress/http-exchange.ts'
export type { HttpsFailure } from './egress/https-failure.ts'
export { TARGET_LIMIT_SIZES, type TargetLimitSizes, TargetLimits } from './egress/target-limits.ts'
export type { Advice, Severity } from './explain/advice.ts'
export { explain } from './explain/explain.ts'
export type {
  AddressSection,
  CertificateSection,
  Conclusion,
  ConclusionKind,
  DemandSection,
  Explanation,
  HostSection,
  LimitSection,
  LocalSection,
  MtaStsSection,
  RouteSection,
  SessionSection,
} from './explain/explanation.ts'
export type {
  Destination,
  ExplainFacts,
  HostFacts,
  HostPlace,
  LocalFacts,
  Obstacle,
  PolicyHostEvidence,
  RouteEnd,
  RouteFacts,
  SessionFacts,
  StsEvidence,
  StsLookups,
} from './explain/facts.ts'
export { type Examination, PolicyExaminer, type PolicyExaminerOptions } from './explain/policy-examiner.ts'
export {
  createPolicyAdmin,
  type PolicyAdmin,
  type PolicyAdminOptions,
} from './mta-sts/administration.ts'
export { type FetchedPolicy, type FetchWorld, fetchPolicy } from './mta-sts/fetch.ts'
export { type PolicyFetchError, type PolicyFetchReport, policyFetchReport } from './mta-sts/fetch-error.ts'
export { type MxPattern, matchesMx, mxPatternText } from './mta-sts/mx-match.ts'
export { type PolicyFileError, parsePolicyFile, type StsMode, type StsPolicy } from './mta-sts/policy-file.ts'
export type { PolicyPurge } from './mta-sts/purge.ts'
export type { StsRecordError } from './mta-sts/record.ts'
export {
  lookUpStsRecord,
  type RecordAnswer,
  type RecordLookup,
  type RecordTrouble,
  type UnusableRecord,
} from './mta-sts/record-lookup.ts'
export { createStsRefresher, type StsRefresher, type StsRefresherOptions } from './mta-sts/refresh.ts'
export type { FetchSharing } from './mta-sts/shared-fetch.ts'
export {
  createStsSource,
  type Refetched,
  type Renewed,
  type StsSource,
  type StsSourceOptions,
} from './mta-sts/source.ts'
export type {
  NoPolicy,
  NoPolicyReason,
  PolicyFailure,
  PolicyFound,
  PolicyOrigin,
  PolicyUnavailable,
  StsFacts,
} from './mta-sts/source-facts.ts'
export type { Refreshed } from './mta-sts/source-refresh.ts'
export {
  type AddressQuestion,
  type FailedLookup,
  type HostAddress,
  type HostAddresses,
  type RefusedAddress,
  resolveAddresses,
} from './next-hop/addresses.ts'
export type { Random, Self } from './next-hop/mx-set.ts'
export { type MxCandidate, type NextHop, type NextHopQuestion, resolveNextHop } from './next-hop/resolve.ts'
export { type CutAtOurselves, cutAtOurselves, type ResolvedCandidate } from './next-hop/self.ts'
export {
  isMeant,
  type Mechanism,
  type OverriddenDomain,
  type OverridesInForce,
  overridesInForce,
  type PolicyOverride,
  type RequiredDemand,
  reachesTooFar,
  WAIVE_DAYS_MAX,
  type WaiveOverride,
} from './override.ts'
export type { NameFact, PeerCertificate, PeerFacts, PkixFact } from './peer-facts.ts'
export { type DaneMemory, DaneMemoryUnavailable, type DaneSubject } from './ports/dane-memory.ts'
export {
  type CachedPolicy,
  type PolicyCache,
  PolicyCacheUnavailable,
  type PolicyCount,
  type RefreshFailure,
  type RefreshPostponement,
  type StoredPolicy,
} from './ports/policy-cache.ts'
export type { EmitPolicyEvent, PolicyEvent } from './ports/policy-events.ts'
export { isOver, type PolicyAnswer, type PreloadEntry, type PreloadList, policyInForce } from './preload.ts'
export { type PreloadListError, type PreloadProblem, parsePreloadList } from './preload-list.ts'
export {
  type Demands,
  type EffectiveMode,
  type Enforcement,
  type Floor,
  type HostDemand,
  type LocalDemand,
  type MessageTls,
  type ObservedDemands,
  type PolicyInForce,
  type ProofRequirement,
  type Requirement,
  type RequirementFacts,
  type StsAssessment,
  tlsRequirement,
  type Unreachable,
  type UnreachableReason,
} from './requirement.ts'
export type { DaneAssessment } from './requirement-dane.ts'
export {
  messageTls,
  type RequireTlsEnd,
  type RequireTlsFailure,
  type RequireTlsOutcome,
  type RequireTlsStatus,
  requireTlsFailure,
  requireTlsOutcome,
  tlsOptionalOutcome,
} from './requiretls.ts'
export { assertNever, err, invariant, ok, type Result } from './result.ts'
export {
  type DomainResult,
  type FailureDetail,
  lookupResults,
  type SessionOutcome,
  type SessionResult,
  type SessionResultType,
  sessionResults,
  type TlsaResult,
  unreachableResults,
} from './session-result.ts'
export { type AnswerOptions, createSocketmapAnswers, type SocketmapAnswers } from './socketmap/answers.ts'
export type { SocketmapAnswerKind, SocketmapEvent } from './socketmap/events.ts'
export { placeText, type SocketmapPlace, type SocketmapServer, startSocketmapServer } from './socketmap/server.ts'
export { BUILT_IN_ZONES, type SocketmapZone, ZONE_DEFAULTS } from './socketmap/zone.ts'
export { endedWithoutAlert, receivedAlert, type TlsFailure, tlsFailureOf } from './tls-failure.ts'
export { type TlsGroups, type TlsPeer, type TlsPeerOptions, upgradeToTls } from './tls-peer.ts'
export {
  type Channel,
  type ChannelLevel,
  type ClearBecause,
  judge,
  type Refused,
  refusedBy,
  type Verdict,
  type VerdictReason,
} from './verdict.ts'
