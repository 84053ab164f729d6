// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
)

func printTable(to io.Writer, groups []*group) error {
	rounds := groups[0].rounds
	for _, g := range groups {
		rounds = min(rounds, g.rounds)
	}
	_, err := fmt.Fprintf(to, "%s %s/%s, %s, GOMAXPROCS %d; medians of at least %d rounds; batches of %d events, %d behind an envelope\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, cpuModel(), runtime.GOMAXPROCS(0), rounds, eventsPerBatch, recordsBehindEnvelope)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(table, rows(groups)); err != nil {
		return err
	}
	return table.Flush()
}

func rows(groups []*group) string {
	var text strings.Builder
	fmt.Fprintln(&text, "group\tcontender\tns/event\t10th–90th percentile\tevents/s per core\t× floor\t× ours\tns above nop\tallocs/event\tlimits")
	for _, g := range groups {
		name := g.name
		for _, e := range g.entries {
			fmt.Fprintf(&text, "%s\t%s\t%.1f\t%.1f–%.1f\t%.0f\t%s\t%s\t%s\t%.2f\t%s\n",
				name, e.label, e.median(), e.quantile(0.1), e.quantile(0.9), 1e9/e.median(),
				g.times(e, floor), g.times(e, ours), g.above(e, toNop), e.allocs, joined(g.bars(e)))
			name = ""
		}
	}
	return text.String()
}

// times returns the entry's time as a multiple of another entry's, or "" if that isn't measured.
func (g *group) times(e *entry, label string) string {
	other := g.find(label)
	if other == nil {
		return ""
	}
	return fmt.Sprintf("%.2f", median(pair(e, other, ratio)))
}

// above returns by how much the entry's time exceeds another entry's, or "" if that isn't measured.
func (g *group) above(e *entry, label string) string {
	other := g.find(label)
	if other == nil || other == e {
		return ""
	}
	return fmt.Sprintf("%.1f", median(pair(e, other, difference)))
}

func joined(bars []bar) string {
	texts := make([]string, 0, len(bars))
	for _, b := range bars {
		texts = append(texts, b.String())
	}
	return strings.Join(texts, ", ")
}

// cpuModel returns the name of the processor as Linux reports it.
func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(text)) {
			if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
				return strings.TrimSpace(value)
			}
		}
	}
	return "unknown processor"
}
