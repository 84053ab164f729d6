// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"flag"
	"testing"
	"time"
)

var long = flag.Bool("soak.long", false, "run the long form")

// size is the size of a scenario. Each scenario uses only some of the fields.
type size struct {
	// kills is how often the collector is killed or, in some scenarios, stopped, or how often the server fails.
	kills int
	// records is how many records each sender sends, or more than how many must wait.
	records int
	// fractions are the parts of the largest size that inputs have: 2 means half of it.
	fractions []int
	// minRatio is the lowest acceptable speed-up.
	minRatio float64
	// rate is how many records are sent per second, length for how long.
	rate   int
	length time.Duration
	// speed is how many times faster time passes in alerts.
	speed int
	// megabytes are the sizes of volumes.
	megabytes []int
}

type kind bool

const (
	measures kind = false
	waits    kind = true
)

// TestSoak runs the scenarios that measure something one after the other, and then, in parallel, those that mostly wait.
func TestSoak(t *testing.T) {
	for _, scenario := range []struct {
		name        string
		kind        kind
		run         func(t *testing.T, size size)
		short, long size
	}{
		{"kill", waits, killScenario, size{kills: 100}, size{kills: 3000}},
		{"webhook", waits, webhookScenario, size{kills: 3, records: 20}, size{kills: 20, records: 100}},
		{"files", waits, filesScenario, size{kills: 20}, size{kills: 400}},
		{"files-renamed", waits, renamedFilesScenario, size{kills: 20}, size{kills: 200}},
		{"order", waits, orderScenario, size{records: 1000}, size{records: 20_000}},
		{"lanes", measures, lanesScenario, size{records: 2000, minRatio: 2}, size{records: 20_000, minRatio: 4}},
		{"stop", waits, stopScenario, size{records: 500}, size{records: 500}},
		{"errors", measures, errorsScenario, size{rate: 1000, length: 3 * time.Second}, size{rate: 10_000, length: 5 * time.Second}},
		{"too-large", waits, tooLargeScenario, size{records: 10_000}, size{records: 10_000}},
		{"too-large-for-a-while", waits, tooLargeForAWhileScenario, size{records: 10_000}, size{records: 100_000}},
		{"firewall", waits, firewallScenario, size{records: 2000, kills: 1}, size{records: 10_000, kills: 10}},
		{"not-amplitude", waits, notAmplitudeScenario, size{kills: 4, rate: 100, length: time.Second}, size{kills: 46, rate: 100, length: 10 * time.Second}},
		{"throttled", waits, throttledScenario, size{records: 1200}, size{records: 10_000}},
		{"busy", waits, busyScenario, size{rate: 3000, length: 5 * time.Second, records: 8000}, size{rate: 200, length: 10 * time.Minute, records: 50_000}},
		{"key", waits, keyScenario, size{records: 500}, size{records: 10_000}},
		{"outage", measures, outageScenario, size{rate: 1000, length: 4 * time.Second}, size{rate: 1000, length: 10 * time.Minute}},
		{"full-disk", waits, fullDiskScenario, size{megabytes: []int{1, 2}}, size{megabytes: []int{1, 2, 6, 16}}},
		{"damage", waits, damageScenario, size{kills: 8, records: 100}, size{kills: 300, records: 300}},
		{"volume", measures, volumeScenario, size{records: 2000}, size{records: 100_000}},
		{"sizing", measures, sizingScenario, size{records: 2000}, size{records: 60_000}},
		{"hostile", waits, hostileScenario, size{fractions: []int{4}}, size{fractions: []int{4, 2, 1}}},
		{"limiter", waits, limiterScenario, size{records: 12}, size{records: 270}},
		{"alerts", waits, alertsScenario, size{rate: 200, speed: 60}, size{rate: 200, speed: 10}},
		{"secrets", waits, secretsScenario, size{}, size{}},
	} {
		t.Run(scenario.name, func(t *testing.T) {
			size := scenario.short
			if *long {
				size = scenario.long
			}
			if scenario.kind == waits {
				t.Parallel()
			}
			scenario.run(t, size)
		})
	}
}
