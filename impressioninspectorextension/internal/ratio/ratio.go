// SPDX-License-Identifier: Apache-2.0

// Package ratio tests whether users are split between variants as intended. The test stays valid however often somebody looks at
// it while users arrive: if the split is as intended, the chance that the test ever raises a false alarm is at most Alpha.
//
// It is the sequential multinomial test of Lindon and Malek, "Anytime-Valid Inference for Multinomial Count Data" (NeurIPS 2022,
// https://arxiv.org/abs/2011.03567): the Bayes factor of a Dirichlet prior against the intended weights. Under these weights the
// factor is a nonnegative martingale that starts at 1, so by Ville's inequality it ever reaches 1/Alpha with a probability of at most
// Alpha.
package ratio // import "github.com/impression-collector/impression-bridge/impressioninspectorextension/internal/ratio"

import "math"

// Alpha is the chance of a false alarm, in all time. It is lower than the usual 5%, because the test runs on every experiment.
const Alpha = 0.01

// concentration is how many users the prior is worth: it expects shares that differ from the weights by about 1/√concentration. The
// test finds a split of 52/48 instead of 50/50 after some 7,000 users, and one of 100/0 after 36.
const concentration = 100

// Test is the test of one experiment. It is for users who are each counted once.
type Test struct {
	weights []float64
	counts  []int64
	users   int64
	// evidence is the logarithm of the Bayes factor, and strongest is its maximum so far.
	evidence, strongest float64
}

// New returns a test of these weights, which must be positive, of users who were counted before. If there are fewer counts than
// weights, the others are 0.
func New(weights []float64, counts []int64) *Test {
	t := &Test{counts: make([]int64, len(weights))}
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	for _, w := range weights {
		t.weights = append(t.weights, w/sum)
	}
	copy(t.counts, counts)
	// The factor depends on the counts alone, not on their order.
	for i, count := range t.counts {
		t.users += count
		prior := concentration * t.weights[i]
		t.evidence += logGamma(prior+float64(count)) - logGamma(prior) - float64(count)*math.Log(t.weights[i])
	}
	t.evidence += logGamma(concentration) - logGamma(concentration+float64(t.users))
	t.strongest = max(0, t.evidence)
	return t
}

func logGamma(x float64) float64 {
	value, _ := math.Lgamma(x)
	return value
}

// Add counts a user who was assigned to the variant with this index among the weights.
func (t *Test) Add(variant int) {
	predicted := (concentration*t.weights[variant] + float64(t.counts[variant])) / (concentration + float64(t.users))
	t.evidence += math.Log(predicted / t.weights[variant])
	t.strongest = max(t.strongest, t.evidence)
	t.counts[variant]++
	t.users++
}

// Counts returns how many users were counted by variant. It must not be changed.
func (t *Test) Counts() []int64 {
	return t.counts
}

// Users returns how many users were counted.
func (t *Test) Users() int64 {
	return t.users
}

// PValue bounds the chance that a split as intended ever looks as unlikely as this one did at its most unlikely moment.
func (t *Test) PValue() float64 {
	return math.Exp(-t.strongest)
}

// IsUnlikely reports whether the test has raised the alarm.
func (t *Test) IsUnlikely() bool {
	return t.PValue() <= Alpha
}
