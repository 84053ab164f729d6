// SPDX-License-Identifier: Apache-2.0

package impressioninspectorextension

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensiontest"

	"github.com/impression-collector/impression-bridge/impressioninspectorextension/internal/metadata"
	"github.com/impression-collector/impression-bridge/internal/inspection"
)

func componenttestSettings() extension.Settings {
	return extensiontest.NewNopSettings(metadata.Type)
}

// synctestInspector tests an inspector that isn't started, with a clock of its own.
func synctestInspector(t *testing.T, text string, test func(*inspector)) {
	t.Helper()
	config, err := load(t, text)
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		i, err := newInspector(componenttestSettings(), config)
		require.NoError(t, err)
		test(i)
		require.NoError(t, i.Shutdown(t.Context()))
	})
}

func shownTo(flag, variant, user string) inspection.Shown {
	return inspection.Shown{FlagKey: flag, Variant: variant, User: user, IsAssigned: true}
}

func processedOf(shown ...inspection.Shown) *inspection.Processed {
	return &inspection.Processed{Shown: shown}
}

func TestFlow(t *testing.T) {
	r := startAll(t, "{}")
	r.see(t)
	r.Received(inspection.Received{Receiver: "cdp_webhook", Source: "segment", Events: 3})
	r.Received(inspection.Received{Receiver: "cdp_webhook", Source: "segment", Reason: "wrong_signature", Text: "the signature is wrong"})
	r.consume(t,
		shownCall("checkout", "on", "user-1", "1"),
		shownCall("checkout", "off", "user-2", "2"),
		`{"type":"track","event":"Product Viewed","userId":"user-1","messageId":"3"}`,
		`{"type":"track","event":"$impression","messageId":"4","properties":{"flag_key":"checkout"}}`,
		`{"type":"track","event":"$impression","userId":"user-1","messageId":"5","properties":{}}`,
		"a line",
	)
	flow := r.see(t).Flow
	totals := map[string]int64{}
	for _, s := range flow.Stages {
		totals[s.Name] = s.Total
		sum := int64(0)
		for _, n := range s.History {
			sum += n
		}
		assert.Equal(t, s.Total, sum, s.Name)
	}
	assert.Equal(t, map[string]int64{
		"received": 3, "records": 6, "events": 4, "impressions": 3, "updates": 2, "delivered": 6, "refused": 0,
	}, totals)
	assert.Zero(t, flow.Waiting)
	assert.InDelta(t, .25, flow.Lost, 1e-9)
	left := map[string]leftView{}
	for _, l := range flow.Left {
		left[l.At+" "+l.Reason] = l
	}
	assert.Len(t, left, 7)
	assert.Equal(t, int64(1), left["receiver wrong_signature"].Count)
	assert.Contains(t, left["receiver wrong_signature"].Cure, "source `segment`")
	assert.InDelta(t, 1./3, left["update no_identity"].Share, 1e-9)
	assert.InDelta(t, 1./6, left["processor malformed_flag_key"].Share, 1e-9)
	assert.Contains(t, left, "processor not_an_event")
	assert.Contains(t, left, "processor unread_json")
	assert.Contains(t, left, "exporter not_an_event")
	assert.Contains(t, left["exporter missing_id"].Cure, "`user_id`")
}

func TestRatesAreOfTheLastSeconds(t *testing.T) {
	synctestInspector(t, "{}", func(i *inspector) {
		i.views()
		for range 2 * rateSeconds {
			i.Processed(&inspection.Processed{Records: 7})
			time.Sleep(time.Second)
		}
		records := i.state.flowView(time.Now()).Stages[stageRecords]
		assert.InDelta(t, 7, records.Rate, 1e-9)
		time.Sleep(historySeconds * time.Second)
		records = i.state.flowView(time.Now()).Stages[stageRecords]
		assert.Zero(t, records.Rate)
		assert.Equal(t, int64(7*2*rateSeconds), records.Total)
	})
}

func TestWaitingEventsAreThoseOfTheLastAttempt(t *testing.T) {
	f := newFlow()
	items := []inspection.Item{{State: inspection.StateWaiting}, {State: inspection.StateWaiting}}
	f.delivered(&inspection.Delivered{Exporter: "amplitude", Items: items}, time.Now())
	assert.Equal(t, int64(2), f.waiting["amplitude"])
	items[0].State, items[1].State, items[1].Reason = inspection.StateDelivered, inspection.StateRefused, "invalid_field"
	f.delivered(&inspection.Delivered{Exporter: "amplitude", Items: items}, time.Now())
	assert.Zero(t, f.waiting["amplitude"])
	assert.Equal(t, int64(1), f.totals[stageRefused])
	assert.Equal(t, int64(1), f.left[leftKey{"exporter", "invalid_field"}].count)
}

// experimentIn returns the view of an experiment after impressions.
func experimentIn(t *testing.T, all *experiments, flag string) experimentView {
	t.Helper()
	for _, e := range all.view(time.Now()).Experiments {
		if e.Flag == flag {
			return e
		}
	}
	require.Failf(t, "no experiment", "%s", flag)
	return experimentView{}
}

func TestExperiments(t *testing.T) {
	all := newExperiments(nil, newHasher(), maxUsers)
	now := time.Now()
	all.add([]inspection.Shown{
		shownTo("a", "on", "user-1"), shownTo("a", "on", "user-1"), shownTo("a", "off", "user-1"), shownTo("a", "off", "user-2"),
		{FlagKey: "a", Variant: "", User: "user-3"},
		shownTo("a", "on", ""), shownTo("b", "x", "user-1"),
	}, now)
	e := experimentIn(t, all, "a")
	require.Len(t, e.Variants, 3)
	for i, want := range []struct {
		name               string
		users, impressions int64
	}{{"", 1, 1}, {"off", 2, 2}, {"on", 1, 3}} {
		assert.Equal(t, want.name, e.Variants[i].Name)
		assert.Equal(t, want.users, e.Variants[i].Users)
		assert.Equal(t, want.impressions, e.Variants[i].Impressions)
		assert.Equal(t, want.impressions, e.Variants[i].Minutes[len(e.Variants[i].Minutes)-1])
		assert.Zero(t, e.Variants[i].Error)
	}
	assert.Equal(t, int64(1), e.Several)
	assert.InDelta(t, 1, e.Share, 0)
	assert.Equal(t, checkView{"fits", "The split of off 50.0%, on 50.0% among 2 users fits an equal split."}, e.Check)
	assert.Equal(t, "none", experimentIn(t, all, "b").Check.State)
}

func TestImpressionsOfTheLastHour(t *testing.T) {
	all := newExperiments(nil, newHasher(), maxUsers)
	now := time.Now()
	all.add([]inspection.Shown{shownTo("a", "on", "user-1")}, now.Add(-time.Hour))
	all.add([]inspection.Shown{shownTo("a", "on", "user-2")}, now.Add(-30*time.Minute))
	e := experimentIn(t, all, "a")
	assert.Equal(t, int64(1), e.Variants[0].Impressions)
	assert.Equal(t, int64(1), e.Variants[0].Users)
}

// shownRandomly returns impressions of different users, with a share of them of the first variant.
func shownRandomly(users int, share float64) []inspection.Shown {
	random := rand.New(rand.NewPCG(7, 0))
	var shown []inspection.Shown
	for user := range users {
		variant := "treatment"
		if random.Float64() < share {
			variant = "control"
		}
		shown = append(shown, shownTo("checkout", variant, fmt.Sprint("user-", user)))
	}
	return shown
}

func TestSampleRatioCheck(t *testing.T) {
	halves := map[string]map[string]float64{"checkout": {"control": 50, "treatment": 50}}
	for name, row := range map[string]struct {
		weights map[string]map[string]float64
		share   float64
		state   string
		text    string
	}{
		"fair":           {nil, .5, "fits", "users fits an equal split."},
		"unfair":         {nil, .52, "unlikely", "is unlikely if an equal split was intended: the chance is at most 1 in "},
		"fair by config": {halves, .5, "fits", "among 41,203 users fits 50/50."},
		"unfair by config": {
			halves, .52, "unlikely",
			"The split of control 52.5%, treatment 47.5% among 41,203 users is unlikely if 50/50 was intended: the chance is at most 1 in a million.",
		},
		"9 in 10": {map[string]map[string]float64{"checkout": {"control": 90, "treatment": 10}}, .9, "fits", "fits 90/10."},
	} {
		t.Run(name, func(t *testing.T) {
			all := newExperiments(row.weights, newHasher(), maxUsers)
			all.add(shownRandomly(41_203, row.share), time.Now())
			check := experimentIn(t, all, "checkout").Check
			assert.Equal(t, row.state, check.State)
			assert.Contains(t, check.Text, row.text)
		})
	}
}

func TestUnlistedVariantsAreLeftOutOfTheCheck(t *testing.T) {
	all := newExperiments(map[string]map[string]float64{"checkout": {"control": 50, "treatment": 50}}, newHasher(), maxUsers)
	assert.NotPanics(t, func() { all.add([]inspection.Shown{shownTo("checkout", "other", "user-0")}, time.Now()) })
	assert.Equal(t, "none", experimentIn(t, all, "checkout").Check.State)
	all.add(shownRandomly(100, .5), time.Now())
	assert.Contains(t, experimentIn(t, all, "checkout").Check.Text, " 1 users of variants without a configured weight are left out.")
}

func TestManyUsersAreEstimated(t *testing.T) {
	const users = 50_000
	all := newExperiments(nil, newHasher(), users/5)
	all.add(shownRandomly(users, .5), time.Now())
	e := experimentIn(t, all, "checkout")
	assert.Less(t, e.Share, 1.)
	for _, v := range e.Variants {
		assert.Positive(t, v.Error)
		assert.InDelta(t, users/2, v.Users, 2*float64(v.Error), "twice the stated error")
	}
	assert.Equal(t, "fits", e.Check.State)
}

// TestStateIsBounded reports more of everything than is kept.
func TestStateIsBounded(t *testing.T) {
	synctestInspector(t, "{}", func(i *inspector) {
		i.views()
		long := strings.Repeat("é", 10_000)
		for n := range 300 {
			p := processedOf()
			for v := range 30 {
				p.Shown = append(p.Shown, shownTo(fmt.Sprint("flag-", n), fmt.Sprint("variant-", v), fmt.Sprint("user-", n, v)))
			}
			p.Shown = append(p.Shown, shownTo(long+strconv.Itoa(n), long+strconv.Itoa(n), long))
			p.Names = map[string]int64{fmt.Sprint("name-", n): 1, fmt.Sprint("impression-", n): 1, long: 1}
			e := inspection.Event{Record: recordWith(t, fmt.Sprintf(`{"key-%d":1}`, n)), Problem: "not_an_event", Weight: 1}
			p.Left = []inspection.Event{e}
			pair := inspection.Pair{Event: e, UpdateID: fmt.Sprint("update-", n)}
			pair.InsertID, pair.FlagKey, pair.UserID = fmt.Sprint("impression-", n), long, long
			pair.After = recordWith(t, `{"long":"`+strings.Repeat(long, 10)+`"}`)
			p.Pairs = []inspection.Pair{pair}
			i.Processed(p)
			i.Received(inspection.Received{Reason: fmt.Sprint("reason-", n)})
		}
		s := i.state
		assert.Len(t, s.experiments.byFlag, maxExperiments)
		for flag, e := range s.experiments.byFlag {
			assert.LessOrEqual(t, len(e.variants), maxVariants)
			assert.LessOrEqual(t, len(flag), maxText+len("…"))
		}
		assert.Positive(t, s.experiments.others)
		assert.Len(t, s.pairs.view(), maxPairs)
		assert.LessOrEqual(t, len(s.pairs.byInsertID), 2*maxPairs)
		assert.Equal(t, int64(300), s.pairs.view()[0].Number)
		assert.Empty(t, s.pairs.ring[0].after)
		assert.Empty(t, s.pairs.ring[0].userID)
		assert.Len(t, s.unmatched.shapes, maxShapes)
		assert.LessOrEqual(t, len(s.unmatched.names), 2*maxNames)
		assert.LessOrEqual(t, len(s.flow.left), maxReasons)
		assert.Equal(t, "none", s.experiments.view(time.Now()).Experiments[0].Check.State)
	})
}

func TestPairsShowWhatBecameOfThem(t *testing.T) {
	r := startAll(t, "{}")
	r.see(t)
	r.consume(t, shownCall("checkout", "on", "user-1", "1"), shownCall("checkout", "", "user-1", "2"),
		strings.Replace(shownCall("checkout", "on", "user-1", ""), `"messageId":"",`, "", 1))
	pairs := r.see(t).Pairs
	require.Len(t, pairs, 3)
	for i, operation := range []string{"set", "unset", "set"} {
		assert.Equal(t, operation, pairs[i].Operation)
		assert.Equal(t, "delivered", pairs[i].State)
		assert.Equal(t, "checkout", pairs[i].Flag)
		assert.Equal(t, "segment", pairs[i].Layout)
	}
	assert.Equal(t, pairs[0].User, pairs[1].User)
	status, _, _ := r.do(t, http.MethodGet, "/pairs/0", "")
	assert.Equal(t, http.StatusNotFound, status)
	status, _, _ = r.do(t, http.MethodGet, "/pairs/4", "")
	assert.Equal(t, http.StatusNotFound, status)
	status, _, _ = r.do(t, http.MethodGet, "/pairs/x", "")
	assert.Equal(t, http.StatusNotFound, status)
}

func TestTheWorstBecomesOfAPair(t *testing.T) {
	all := newPairs(newHasher(), false)
	p := inspection.Pair{UpdateID: "1-update"}
	p.InsertID = "1"
	all.add(&p, time.Now())
	assert.Empty(t, all.view()[0].State)
	update := inspection.Item{Type: "$identify", InsertID: "1-update", State: "delivered"}
	event := inspection.Item{Type: "[Experiment] Impression", InsertID: "1", State: "waiting"}
	all.delivered([]inspection.Item{update, event})
	assert.Equal(t, "waiting", all.view()[0].State)
	event.State, event.Reason = "delivered", "unpaired_update"
	all.delivered([]inspection.Item{event})
	assert.Equal(t, "delivered", all.view()[0].State)
	assert.Equal(t, "unpaired_update", all.view()[0].Reason)
	update.State, update.Reason = "refused", "silenced"
	all.delivered([]inspection.Item{update})
	assert.Equal(t, "refused", all.view()[0].State)
	assert.Equal(t, "silenced", all.view()[0].Reason)
}

// TestNothingOfUsersIsShown looks for what isn't the experiment's in everything that the page gets.
func TestNothingOfUsersIsShown(t *testing.T) {
	for _, showValues := range []bool{false, true} {
		t.Run(strconv.FormatBool(showValues), func(t *testing.T) {
			r := startAll(t, fmt.Sprintf("{show_values: %t}", showValues))
			r.see(t)
			r.consume(t, shownCall("checkout", "treatment", "user-secret", "message-secret"), `{"email":"secret@example.com"}`,
				`{"type":"track","event":"$impression","userId":"user-secret","properties":{"name":"secret name"}}`)
			_, state, _ := r.do(t, http.MethodGet, "/state", "")
			_, pair, _ := r.do(t, http.MethodGet, "/pairs/1", "")
			if showValues {
				assert.Contains(t, state, "user-secret")
				assert.Contains(t, pair, "secret-coupon")
				return
			}
			assert.NotRegexp(t, ".*secret.*", state+pair)
			for _, shown := range []string{`"email"`, "checkout", "treatment"} {
				assert.Contains(t, state, shown)
			}
			for _, shown := range []string{`"$impression"`, `"[Experiment] Impression"`, `"[Experiment] checkout": "treatment"`, hidden, `"#`} {
				assert.Contains(t, pair, shown)
			}
		})
	}
}

func TestHashesDifferBetweenProcesses(t *testing.T) {
	one, other := newHasher(), newHasher()
	assert.NotEqual(t, one.short("user-1"), one.short("user-2"))
	assert.NotEqual(t, one.hash("user-1"), other.hash("user-1"))
	assert.Empty(t, one.short(""))
	assert.Len(t, one.short("user-1"), len("#01234567"))
}

func TestNotMatched(t *testing.T) {
	r := startAll(t, "{}")
	r.see(t)
	r.consume(t,
		`{"log":"{\"type\":\"track\",\"event\":\"$impression\"}","stream":"stdout"}`,
		`{"log":"{\"type\":\"track\",\"event\":\"$impression\"}","stream":"stderr"}`,
		`{"type":"track","event":"$impression","userId":"user-1","properties":{"flagKey":"a"}}`,
		`{"type":"track","event":"$Impression","userId":"user-1","properties":{"flag_key":"a"}}`,
		`{"type":"track","event":"Product Viewed","userId":"user-1"}`,
		shownCall("checkout", "on", "user-1", "1"),
	)
	u := r.see(t).Unmatched
	records := map[string]shapeView{}
	for _, s := range u.Records {
		records[s.Reason] = s
	}
	require.Len(t, records, 3)
	assert.Equal(t, int64(2), records["not_an_event"].Count)
	assert.Equal(t, []string{"log", "stream"}, records["not_an_event"].Keys)
	assert.Contains(t, records["not_an_event"].Cure, "from: body.log, to: body")
	assert.Equal(t, "$impression", records["malformed_flag_key"].Type)
	assert.Equal(t, []string{"event", "properties", "type", "userId"}, records["malformed_flag_key"].Keys)
	assert.Contains(t, records["not_listed"].Cure, "event_types")
	var names []string
	for _, n := range u.Names {
		names = append(names, fmt.Sprint(n.Name, " ", n.Count, " ", n.IsListed, " ", n.Cure != ""))
	}
	assert.Equal(t, []string{
		"$Impression 1 false true", "$impression 2 true false", "Product Viewed 1 false false",
	}, names)
}
