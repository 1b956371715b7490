// Package attacks holds no code, only tests that attack a running gateway in front of a real API server. Each file is one
// hole: what was wrong elsewhere (the ids W-nn are rows of the catalogue of the reference implementation's defects), how it
// is used, and the proof that it is closed here.
//
// Some holes are proven where their code is: forged tokens (alg none, HMAC with the public key, kid, jku) in gateway/authn;
// expressions that exhaust the evaluator in gateway/policy; values of the chart that do nothing (W-16) and rights that are
// missing or too many (W-17) in bootstrap/release; a gateway that is killed between two writes (W-35), what changes while a request
// waits for its target, and a GovernedResource of the agent's own choice in gateway/reconcile; records that are changed (W-10b) in
// gateway/store; the guide that contradicts itself (W-43, W-46) in test/guide; names that drive a terminal in internal/safetext.
package attacks
