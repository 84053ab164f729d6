// SPDX-License-Identifier: Apache-2.0

package impressioninspectorextension // import "github.com/impression-collector/impression-bridge/impressioninspectorextension"

import (
	"cmp"
	"slices"
	"time"

	"github.com/impression-collector/impression-bridge/impressioninspectorextension/internal/diagnosis"
	"github.com/impression-collector/impression-bridge/internal/inspection"
)

// stage is a place on the way of events through the collector.
type stage uint8

const (
	stageReceived stage = iota
	stageRecords
	stageEvents
	stageImpressions
	stageUpdates
	stageDelivered
	stageRefused

	numStages = iota
)

var stageNames = [numStages]string{"received", "records", "events", "impressions", "updates", "delivered", "refused"}

const (
	// historySeconds is how far back the rates go.
	historySeconds = 60
	// rateSeconds is the time of which a rate is the mean.
	rateSeconds = 10
	// maxReasons bounds the reasons why records stay behind. Those of requests are the only ones that aren't listed in a metadata.yaml
	// here.
	maxReasons = 200
)

// flow counts what passes each stage, and what stays behind.
type flow struct {
	totals  [numStages]int64
	seconds [historySeconds]second
	left    map[leftKey]*left
	// malformed counts the events of listed types that aren't impressions. items counts what the exporters tried to send or skipped.
	malformed, items int64
	// waiting has the number of events that each exporter couldn't deliver last.
	waiting map[string]int64
}

// second has the counts of one second.
type second struct {
	at     int64
	counts [numStages]int64
}

// leftKey is the component that leaves records behind, and its reason.
type leftKey struct {
	at, reason string
}

type left struct {
	count int64
	diagnosis.Finding
}

func newFlow() flow {
	return flow{left: map[leftKey]*left{}, waiting: map[string]int64{}}
}

func (f *flow) add(s stage, n int64, now time.Time) {
	f.totals[s] += n
	at := &f.seconds[now.Unix()%historySeconds]
	if at.at != now.Unix() {
		*at = second{at: now.Unix()}
	}
	at.counts[s] += n
}

func (f *flow) leave(key leftKey, n int64, finding diagnosis.Finding) {
	known := f.left[key]
	if known == nil {
		if n == 0 || len(f.left) == maxReasons {
			return
		}
		known = &left{Finding: finding}
		f.left[key] = known
	}
	known.count += n
}

func (f *flow) leaveFor(at, reason string, n int64) {
	f.leave(leftKey{at, reason}, n, diagnosis.OfReason(reason))
}

func (f *flow) processed(p *inspection.Processed, now time.Time) {
	f.add(stageRecords, p.Records, now)
	f.add(stageEvents, p.Claimed, now)
	for reason, n := range p.Unclaimed {
		f.leaveFor("processor", reason, n)
	}
	for outcome, n := range p.Outcomes {
		switch outcome {
		case "transformed":
			f.add(stageImpressions, n, now)
		case "dropped":
			f.add(stageImpressions, n, now)
			f.leaveFor("processor", outcome, n)
		default:
			f.malformed += n
			f.leaveFor("processor", outcome, n)
		}
	}
	for operation, n := range p.Updates {
		if operation == "set" || operation == "unset" {
			f.add(stageUpdates, n, now)
		} else {
			f.leaveFor("update", operation, n)
		}
	}
}

func (f *flow) delivered(d *inspection.Delivered, now time.Time) {
	for reason, n := range d.Skipped {
		f.items += n
		f.leaveFor("exporter", reason, n)
	}
	f.waiting[d.Exporter] = 0
	for i := range d.Items {
		item := &d.Items[i]
		switch item.State {
		case inspection.StateDelivered:
			f.add(stageDelivered, 1, now)
		case inspection.StateRefused:
			f.add(stageRefused, 1, now)
		default:
			f.waiting[d.Exporter]++
			continue
		}
		f.items++
		if item.Reason != "" {
			f.leaveFor("exporter", item.Reason, 1)
		}
	}
}

// flowView is the panel Flow.
type flowView struct {
	Since   time.Time   `json:"since"`
	Stages  []stageView `json:"stages"`
	Waiting int64       `json:"waiting"`
	// Lost is the share of impressions that were malformed or not sent.
	Lost float64    `json:"lost"`
	Left []leftView `json:"left"`
}

type stageView struct {
	Name  string  `json:"name"`
	Total int64   `json:"total"`
	Rate  float64 `json:"rate"`
	// History has the counts of the last seconds, the oldest first.
	History []int64 `json:"history"`
}

type leftView struct {
	At     string `json:"at"`
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
	// Share is the share of what came to that place, or 0 if it isn't known.
	Share float64 `json:"share"`
	diagnosis.Finding
}

func (s *state) flowView(now time.Time) flowView {
	f := &s.flow
	view := flowView{Since: s.since, Lost: share(f.malformed, f.malformed+f.totals[stageImpressions])}
	for st := range numStages {
		history := f.history(stage(st), now)
		recent := int64(0)
		for _, n := range history[historySeconds-rateSeconds-1 : historySeconds-1] {
			recent += n
		}
		// The current second isn't over.
		seconds := min(rateSeconds, max(1, now.Sub(s.since).Seconds()-1))
		view.Stages = append(view.Stages, stageView{
			Name: stageNames[st], Total: f.totals[st], Rate: float64(recent) / seconds, History: history,
		})
	}
	for _, n := range f.waiting {
		view.Waiting += n
	}
	cameTo := map[string]int64{
		"processor": f.totals[stageRecords], "update": f.totals[stageImpressions], "exporter": f.items,
	}
	for key, l := range f.left {
		view.Left = append(view.Left, leftView{key.at, key.reason, l.count, share(l.count, cameTo[key.at]), l.Finding})
	}
	slices.SortFunc(view.Left, func(a, b leftView) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.At, b.At), cmp.Compare(a.Reason, b.Reason))
	})
	return view
}

func (f *flow) history(s stage, now time.Time) []int64 {
	counts := make([]int64, historySeconds)
	for i := range counts {
		at := now.Unix() - historySeconds + 1 + int64(i)
		if second := &f.seconds[at%historySeconds]; second.at == at {
			counts[i] = second.counts[s]
		}
	}
	return counts
}

func share(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return min(1, float64(part)/float64(whole))
}
