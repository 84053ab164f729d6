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
	_, err := fmt.Fprintf(to, "%s %s/%s, %s, GOMAXPROCS %d; batches of %d events; medians of %d rounds or more, %d batches each\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, cpuModel(), runtime.GOMAXPROCS(0), eventsPerBatch, rounds, distinct)
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
	fmt.Fprintln(&text, "group\tcontender\tns/event\t10th–90th percentile\tevents/s a core\t× floor\t× ours\tns beyond nop\tallocs/event\tbars")
	for _, g := range groups {
		name := g.name
		for _, e := range g.entries {
			fmt.Fprintf(&text, "%s\t%s\t%.1f\t%.1f–%.1f\t%.0f\t%s\t%s\t%s\t%.2f\t%s\n",
				name, e.label, e.median(), e.quantile(0.1), e.quantile(0.9), 1e9/e.median(),
				g.times(e, floor), g.times(e, ours), g.beyond(e, toNop), e.allocs, joined(g.bars(e)))
			name = ""
		}
	}
	return text.String()
}

// times is how often another entry's time goes into this one's.
func (g *group) times(e *entry, label string) string {
	other := g.find(label)
	if other == nil {
		return ""
	}
	return fmt.Sprintf("%.2f", e.median()/other.median())
}

// beyond is what this one's time has more than another entry's.
func (g *group) beyond(e *entry, label string) string {
	other := g.find(label)
	if other == nil || other == e {
		return ""
	}
	return fmt.Sprintf("%.1f", e.median()-other.median())
}

func joined(bars []bar) string {
	texts := make([]string, 0, len(bars))
	for _, b := range bars {
		texts = append(texts, b.String())
	}
	return strings.Join(texts, ", ")
}

// cpuModel is as Linux tells it.
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
