// SPDX-License-Identifier: Apache-2.0

package impressioninspectorextension // import "github.com/impression-collector/impression-bridge/impressioninspectorextension"

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/impression-collector/impression-bridge/impressioninspectorextension/internal/ratio"
	"github.com/impression-collector/impression-bridge/impressioninspectorextension/internal/users"
	"github.com/impression-collector/impression-bridge/internal/inspection"
)

const (
	// maxUsers is how many users all experiments keep together, in some 20 MB.
	maxUsers = 1 << 18
	// maxExperiments and maxVariants are how many have numbers of their own.
	maxExperiments = 64
	maxVariants    = 20
)

// experiments count the impressions and users of each flag.
type experiments struct {
	weights map[string]map[string]float64
	hasher  *hasher
	pool    *users.Pool
	byFlag  map[string]*experiment
	// others counts the impressions of experiments beyond maxExperiments.
	others int64
}

type experiment struct {
	users    *users.Sample
	variants []*variant
	lastSeen time.Time
	// intended are the configured weights, or nil.
	intended map[string]float64
	// test is nil if there are fewer than two variants, or too many. tested are the names of its variants.
	test   *ratio.Test
	tested []string
	// unlisted counts the users of variants that have no configured weight.
	unlisted int64
	// isCrowded reports whether there are more than maxVariants. The last one stands for all others.
	isCrowded bool
}

// variant has the impressions of a variant by minute.
type variant struct {
	name        string
	minutes     [users.Window]minute
	impressions int64
}

type minute struct {
	at    uint32
	count int64
}

func newExperiments(weights map[string]map[string]float64, hasher *hasher, maxUsers int) *experiments {
	return &experiments{weights: weights, hasher: hasher, pool: users.NewPool(maxUsers), byFlag: map[string]*experiment{}}
}

func minuteOf(t time.Time) uint32 {
	return uint32(t.Unix() / 60)
}

func (all *experiments) add(shown []inspection.Shown, now time.Time) {
	for i := range shown {
		s := &shown[i]
		e := all.of(limit(s.FlagKey))
		if e == nil {
			all.others++
			continue
		}
		e.lastSeen = now
		at := e.variantAt(limit(s.Variant))
		e.variants[at].count(minuteOf(now))
		if s.User != "" && e.users.See(all.hasher.hash(s.User), uint8(at), minuteOf(now), s.IsAssigned) {
			e.assign(e.variants[at].name)
		}
	}
}

func (all *experiments) of(flag string) *experiment {
	e, known := all.byFlag[flag]
	if known || len(all.byFlag) == maxExperiments {
		return e
	}
	e = &experiment{users: all.pool.NewSample(), intended: all.weights[flag]}
	if e.intended != nil {
		e.tested = slices.Sorted(maps.Keys(e.intended))
		var weights []float64
		for _, name := range e.tested {
			weights = append(weights, e.intended[name])
		}
		e.test = ratio.New(weights, nil)
	}
	all.byFlag[strings.Clone(flag)] = e
	return e
}

// others is the name of the variant that stands for all variants beyond maxVariants.
const others = "(others)"

// variantAt returns the index of a variant.
func (e *experiment) variantAt(name string) int {
	at := slices.IndexFunc(e.variants, func(v *variant) bool { return v.name == name })
	switch {
	case at >= 0:
		return at
	case len(e.variants) == maxVariants-1:
		e.isCrowded = true
		name = others
	case len(e.variants) == maxVariants:
		return maxVariants - 1
	}
	e.variants = append(e.variants, &variant{name: strings.Clone(name)})
	return len(e.variants) - 1
}

func (v *variant) count(now uint32) {
	v.impressions++
	at := &v.minutes[now%users.Window]
	if at.at != now {
		*at = minute{at: now}
	}
	at.count++
}

// assign counts a user who was assigned to a variant for the first time.
func (e *experiment) assign(name string) {
	at := slices.Index(e.tested, name)
	switch {
	case at >= 0:
	case e.intended != nil:
		e.unlisted++
		return
	default:
		e.tested = append(e.tested, name)
		at = len(e.tested) - 1
		var counts []int64
		if e.test != nil {
			counts = e.test.Counts()
		}
		// Without configured weights all variants are meant to be equal, also those that come later.
		e.test = ratio.New(slices.Repeat([]float64{1}, len(e.tested)), counts)
	}
	e.test.Add(at)
}

// experimentView is an experiment in the panel Experiments.
type experimentView struct {
	Flag     string        `json:"flag"`
	LastSeen time.Time     `json:"last_seen"`
	Variants []variantView `json:"variants"`
	// Several is how many users saw more than one variant.
	Several int64 `json:"several"`
	// Share is the share of users from which the numbers of users are estimated, 1 if they are exact.
	Share float64   `json:"share"`
	Check checkView `json:"check"`
}

type variantView struct {
	Name string `json:"name"`
	// Impressions and Users are those of the last hour. Error is half the width of the 95% confidence interval of Users.
	Impressions int64 `json:"impressions"`
	Users       int64 `json:"users"`
	Error       int64 `json:"error"`
	// Minutes has the impressions of the last hour, the oldest first.
	Minutes []int64 `json:"minutes"`
}

// checkView is the sample ratio check.
type checkView struct {
	// State is "none", "fits", or "unlikely".
	State string `json:"state"`
	Text  string `json:"text"`
}

type experimentsView struct {
	Experiments []experimentView `json:"experiments"`
	Others      int64            `json:"others"`
}

func (all *experiments) view(now time.Time) experimentsView {
	view := experimentsView{Experiments: []experimentView{}, Others: all.others}
	for flag, e := range all.byFlag {
		view.Experiments = append(view.Experiments, e.view(flag, minuteOf(now)))
	}
	slices.SortFunc(view.Experiments, func(a, b experimentView) int { return cmp.Compare(a.Flag, b.Flag) })
	return view
}

func (e *experiment) view(flag string, now uint32) experimentView {
	count := e.users.Count(len(e.variants), now)
	view := experimentView{
		Flag: flag, LastSeen: e.lastSeen, Share: count.Share, Several: int64(math.Round(float64(count.Several) / count.Share)), Check: e.check(),
	}
	for i, v := range e.variants {
		estimate := float64(count.Recent[i]) / count.Share
		shown := variantView{
			Name: v.name, Users: int64(math.Round(estimate)), Error: int64(math.Ceil(count.Error(count.Recent[i]) * estimate)),
			Minutes: make([]int64, users.Window),
		}
		for m := range shown.Minutes {
			at := now - users.Window + 1 + uint32(m)
			if counted := &v.minutes[at%users.Window]; counted.at == at {
				shown.Minutes[m] = counted.count
				shown.Impressions += counted.count
			}
		}
		view.Variants = append(view.Variants, shown)
	}
	slices.SortFunc(view.Variants, func(a, b variantView) int { return cmp.Compare(a.Name, b.Name) })
	return view
}

// check words the result of the test for analysts.
func (e *experiment) check() checkView {
	switch {
	case e.isCrowded:
		return checkView{"none", fmt.Sprintf("There are more than %d variants, so their split isn't checked.", maxVariants)}
	case e.test == nil || len(e.tested) < 2:
		return checkView{"none", "There is nothing to check before users are assigned to two variants."}
	case e.test.Users() == 0:
		return checkView{"none", "No user is assigned to one of the configured variants yet."}
	}
	split := fmt.Sprintf("The split of %s among %s users ", e.split(), grouped(e.test.Users()))
	state, text := "fits", split+"fits "+e.intendedSplit()+"."
	if e.test.IsUnlikely() {
		state = "unlikely"
		text = fmt.Sprintf("%sis unlikely if %s was intended: the chance is at most %s.", split, e.intendedSplit(), chance(e.test.PValue()))
	}
	if e.unlisted > 0 {
		text += fmt.Sprintf(" %s users of variants without a configured weight are left out.", grouped(e.unlisted))
	}
	return checkView{state, text}
}

// byName returns the indexes of the tested variants, sorted by name.
func (e *experiment) byName() []int {
	indexes := make([]int, len(e.tested))
	for i := range indexes {
		indexes[i] = i
	}
	slices.SortFunc(indexes, func(a, b int) int { return cmp.Compare(e.tested[a], e.tested[b]) })
	return indexes
}

// split returns the shares of the tested variants, such as "control 52.0%, treatment 48.0%".
func (e *experiment) split() string {
	var parts []string
	for _, i := range e.byName() {
		parts = append(parts, fmt.Sprintf("%s %.1f%%", cmp.Or(e.tested[i], "(none)"), 100*share(e.test.Counts()[i], e.test.Users())))
	}
	return strings.Join(parts, ", ")
}

// intendedSplit returns the intended weights, such as "50/50".
func (e *experiment) intendedSplit() string {
	if e.intended == nil {
		return "an equal split"
	}
	var parts []string
	for _, i := range e.byName() {
		parts = append(parts, strconv.FormatFloat(e.intended[e.tested[i]], 'g', 4, 64))
	}
	return strings.Join(parts, "/")
}

func chance(p float64) string {
	if p < 1e-6 {
		return "1 in a million"
	}
	return "1 in " + grouped(int64(1/p))
}

// grouped returns a number with commas between thousands.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
