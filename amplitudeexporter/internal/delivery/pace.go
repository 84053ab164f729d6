// SPDX-License-Identifier: Apache-2.0

package delivery // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/delivery"

import "time"

// While no request is accepted, a worker sends at most paceRequests within pacePeriod, whatever the answers are, so that
// an answer that makes no sense can't cause a hot loop.
const (
	paceRequests = 3
	pacePeriod   = time.Second
)

// pace has the times at which a worker began its last requests since one was accepted.
type pace struct {
	begins [paceRequests]time.Time
	next   int
}

func (p *pace) note(begin time.Time) {
	p.begins[p.next] = begin
	p.next = (p.next + 1) % paceRequests
}

// wait returns how long the next request must wait.
func (p *pace) wait(now time.Time) time.Duration {
	oldest := p.begins[p.next]
	if oldest.IsZero() {
		return 0
	}
	return max(0, pacePeriod-now.Sub(oldest))
}
