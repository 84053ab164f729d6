// SPDX-License-Identifier: Apache-2.0

package amplitudetest // import "github.com/impression-collector/impression-bridge/internal/amplitudetest"

import "time"

// Option is a setting of a new server.
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

// WithClock has the server read another clock than the system's, for arrival times, the 7 days of de-duplication, and
// rates. Delays are real.
func WithClock(now func() time.Time) Option {
	return func(s *settings) { s.now = now }
}

// WithSeed chooses which requests AnswerShare hits. The same seed and order of requests gives the same answers.
func WithSeed(seed uint64) Option {
	return func(s *settings) { s.seed = seed }
}

// WithKeys has the server refuse all API keys but these. Without it any key is good.
func WithKeys(keys ...string) Option {
	return func(s *settings) { s.keys = keys }
}

// Limits is the most that a request may hold. 0 is the API's own limit.
type Limits struct {
	// Events and Bytes are the most that is taken, the bytes after decompression.
	Events, Bytes int
}

// WithLimits replaces what SetLimits can change later.
func WithLimits(limits Limits) Option {
	return func(s *settings) { s.limits = limits }
}

// RateLimit is how many events of one user or device are taken.
type RateLimit struct {
	// EventsPerSecond is the average over the window; 0 for the API's own, which is 30 for HTTP V2 and 1,000 for Batch.
	EventsPerSecond int
	// Window is 30 s in Amplitude, which makes a burst of 900 events a good one. 0 is no limit at all.
	Window time.Duration
}

// WithRateLimit has the server throttle who sends too much. Without it nobody is throttled but by Restrict.
func WithRateLimit(limit RateLimit) Option {
	return func(s *settings) { s.rateLimit = limit }
}

// WithFirstOnly has a 400 name the first invalid event alone, as HTTP V2 does at times.
func WithFirstOnly() Option {
	return func(s *settings) { s.firstOnly = true }
}

// WithShortIDsRefused has the server refuse an event for one id that is too short, as clients have seen it do. The
// documentation has such an id removed, and the event refused only when it has no other.
func WithShortIDsRefused() Option {
	return func(s *settings) { s.refuseShortIDs = true }
}

// WithUserPropertyLimit has the server leave user properties alone, without a word, after so many updates of one user
// within an hour; Amplitude does so after 1,800.
func WithUserPropertyLimit(updatesPerHour int) Option {
	return func(s *settings) { s.updatesPerHour = updatesPerHour }
}

// WithCompact has the server keep little of each event, for long runs: its type, ids and times, and those of its event
// properties that are named. Requests keep no events and no headers. User properties are kept in full.
func WithCompact(eventProperties ...string) Option {
	return func(s *settings) { s.compact, s.keptProperties = true, eventProperties }
}
