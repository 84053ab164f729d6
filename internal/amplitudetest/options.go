// SPDX-License-Identifier: Apache-2.0

package amplitudetest // import "github.com/impression-collector/impression-bridge/internal/amplitudetest"

import "time"

// Option configures a new server.
type Option func(*settings)

type settings struct {
	now            func() time.Time
	seed           uint64
	keys           []string
	limits         Limits
	rateLimit      RateLimit
	firstOnly      bool
	refuseShortIDs bool
	compact        bool
	keptProperties []string
	updatesPerHour int
}

// WithClock replaces the system's clock for arrival times, the 7 days of de-duplication, and rate limits. Delays still
// take real time.
func WithClock(now func() time.Time) Option {
	return func(s *settings) { s.now = now }
}

// WithSeed sets the seed for the random choices of AnswerShare. With the same seed, the same sequence of requests gets the
// same answers.
func WithSeed(seed uint64) Option {
	return func(s *settings) { s.seed = seed }
}

// WithKeys makes the server refuse all other API keys. Without this option it accepts any key.
func WithKeys(keys ...string) Option {
	return func(s *settings) { s.keys = keys }
}

// Limits are the limits of one request. 0 means the API's own limit.
type Limits struct {
	// Events is the maximum number of events, Bytes the maximum size of the body after decompression.
	Events, Bytes int
}

// WithLimits sets the limits of a request. SetLimits can change them later.
func WithLimits(limits Limits) Option {
	return func(s *settings) { s.limits = limits }
}

// RateLimit limits the events of one user or device.
type RateLimit struct {
	// EventsPerSecond is the maximum average over the window. 0 means the API's own limit: 30 for HTTP V2, 1,000 for Batch.
	EventsPerSecond int
	// Window is 30 s in Amplitude, so that a burst of 900 events is accepted. 0 means no limit.
	Window time.Duration
}

// WithRateLimit makes the server throttle users and devices that exceed the limit. Without this option, only Restrict
// and ThrottleEvents throttle.
func WithRateLimit(limit RateLimit) Option {
	return func(s *settings) { s.rateLimit = limit }
}

// WithFirstOnly makes a 400 name only the first invalid event, as HTTP V2 sometimes does.
func WithFirstOnly() Option {
	return func(s *settings) { s.firstOnly = true }
}

// WithShortIDsRefused makes the server refuse an event if one of its ids is too short, as clients have observed. According
// to the documentation, Amplitude removes such an id and refuses the event only if it has no other.
func WithShortIDsRefused() Option {
	return func(s *settings) { s.refuseShortIDs = true }
}

// WithUserPropertyLimit makes the server silently ignore further user property updates of a user after this many within
// an hour. Amplitude's limit is 1,800.
func WithUserPropertyLimit(updatesPerHour int) Option {
	return func(s *settings) { s.updatesPerHour = updatesPerHour }
}

// WithCompact saves memory in long runs. Of each event, the server keeps only the type, ids, times and the named event
// properties. Of each request, it drops the events and headers. It keeps all user properties.
func WithCompact(eventProperties ...string) Option {
	return func(s *settings) { s.compact, s.keptProperties = true, eventProperties }
}
