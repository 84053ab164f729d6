// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const dashboardFile = "deploy/grafana/impression-bridge.json"

// dashboard is what matters of a dashboard of Grafana.
type dashboard struct {
	UID           string
	SchemaVersion int
	Annotations   struct{ List []target }
	Templating    struct {
		List []struct{ Name, Type, Definition string }
	}
	Panels []panel
}

type panel struct {
	ID          int
	Type, Title string
	GridPos     struct{ X, Y, W, H int }
	Targets     []target
}

type target struct {
	Datasource struct{ UID string }
	Expr       string
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	require.NoError(t, json.Unmarshal([]byte(read(t, dashboardFile)), &d))
	return d
}

// queries returns all queries of the dashboard, one a line.
func (d *dashboard) queries() string {
	var all strings.Builder
	for _, variable := range d.Templating.List {
		all.WriteString(variable.Definition + "\n")
	}
	for _, annotation := range d.Annotations.List {
		all.WriteString(annotation.Expr + "\n")
	}
	for i := range d.Panels {
		for _, target := range d.Panels[i].Targets {
			all.WriteString(target.Expr + "\n")
		}
	}
	return all.String()
}

// TestDashboard checks what Grafana needs. That its queries find data is seen in TestSoak/alerts.
func TestDashboard(t *testing.T) {
	d := readDashboard(t)
	assert.Equal(t, "impression-bridge", d.UID)
	assert.GreaterOrEqual(t, d.SchemaVersion, 38, "that of Grafana 10")
	ids, cells := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		assert.False(t, ids[p.ID], "%s has the id of another panel", p.Title)
		ids[p.ID] = true
		assert.NotEmpty(t, p.Title)
		assert.Equal(t, p.Type != "row", len(p.Targets) > 0, p.Title)
		for _, target := range p.Targets {
			assert.Equal(t, "${datasource}", target.Datasource.UID, p.Title)
		}
		assert.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				assert.Empty(t, cells[[2]int{x, y}], "%s overlaps another panel", p.Title)
				cells[[2]int{x, y}] = p.Title
			}
		}
	}
}
