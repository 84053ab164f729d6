// SPDX-License-Identifier: Apache-2.0

package impressioninspectorextension // import "github.com/impression-collector/impression-bridge/impressioninspectorextension"

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/impression-collector/impression-bridge/impressioninspectorextension/internal/diagnosis"
	"github.com/impression-collector/impression-bridge/internal/inspection"
)

// state is what components have reported since gathering began. Its size is bounded.
type state struct {
	since       time.Time
	flow        flow
	experiments *experiments
	pairs       pairs
	unmatched   unmatched
}

func newState(config *Config, hasher *hasher, diagnoser *diagnosis.Diagnoser, now time.Time) *state {
	return &state{
		since:       now,
		flow:        newFlow(),
		experiments: newExperiments(config.Experiments, hasher, maxUsers),
		pairs:       newPairs(hasher, config.ShowValues),
		unmatched:   newUnmatched(diagnoser),
	}
}

func (s *state) received(r inspection.Received, now time.Time) {
	s.flow.add(stageReceived, r.Events, now)
	if r.Reason != "" {
		s.flow.leave(leftKey{"receiver", r.Reason}, 1, diagnosis.Finding{Text: r.Text, Cure: "Look at the source `" + r.Source + "` of `" + r.Receiver + "`."})
	}
}

func (s *state) processed(p *inspection.Processed, now time.Time) {
	s.flow.processed(p, now)
	s.experiments.add(p.Shown, now)
	for i := range p.Pairs {
		s.pairs.add(&p.Pairs[i], now)
	}
	s.unmatched.add(p, now)
}

func (s *state) delivered(d *inspection.Delivered, now time.Time) {
	s.flow.delivered(d, now)
	s.pairs.delivered(d.Items)
	s.pairs.delivered(d.Unsent)
}

// hasher hashes ids of users with a key of the process, so that a hash says nothing about the id to those who don't have it.
type hasher struct {
	key [16]byte
}

func newHasher() *hasher {
	h := &hasher{}
	// It never returns an error.
	_, _ = rand.Read(h.key[:])
	return h
}

func (h *hasher) hash(id string) uint64 {
	sum := sha256.New()
	sum.Write(h.key[:])
	sum.Write([]byte(id))
	return binary.BigEndian.Uint64(sum.Sum(nil))
}

// short returns a short text that stands for an id, or "" for none.
func (h *hasher) short(id string) string {
	if id == "" {
		return ""
	}
	var bytes [8]byte
	binary.BigEndian.PutUint64(bytes[:], h.hash(id))
	return "#" + hex.EncodeToString(bytes[:4])
}

// maxText is how many bytes of a name are shown.
const maxText = 200

// limit returns a text that isn't too long.
func limit(text string) string {
	if len(text) <= maxText {
		return text
	}
	end := maxText
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// keep returns a copy of a text that isn't too long. Without a copy, it could keep the memory of a whole request.
func keep(text string) string {
	return strings.Clone(limit(text))
}
