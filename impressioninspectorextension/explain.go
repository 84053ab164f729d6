// SPDX-License-Identifier: Apache-2.0

package impressioninspectorextension // import "github.com/impression-collector/impression-bridge/impressioninspectorextension"

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/impressioninspectorextension/internal/diagnosis"
	"github.com/impression-collector/impression-bridge/internal/impression"
	"github.com/impression-collector/impression-bridge/internal/inspection"
	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
)

// explainers are the running components, by their ids.
type explainers struct {
	mutex      sync.Mutex
	processors map[string]func(plog.Logs) []inspection.Event
	exporters  map[string]func(plog.Logs) []inspection.Sent
	diagnoser  *diagnosis.Diagnoser
}

func newExplainers() (*explainers, error) {
	diagnoser, err := diagnosis.New()
	return &explainers{
		processors: map[string]func(plog.Logs) []inspection.Event{},
		exporters:  map[string]func(plog.Logs) []inspection.Sent{},
		diagnoser:  diagnoser,
	}, err
}

// ExplainProcessor implements inspection.Inspector.
func (x *explainers) ExplainProcessor(id string, explain func(plog.Logs) []inspection.Event) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	x.processors[id] = explain
}

// ExplainExporter implements inspection.Inspector.
func (x *explainers) ExplainExporter(id string, explain func(plog.Logs) []inspection.Sent) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	x.exporters[id] = explain
}

// aboutView has the running components.
type aboutView struct {
	Processors []string `json:"processors"`
	Exporters  []string `json:"exporters"`
}

func (x *explainers) about() aboutView {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	return aboutView{idsOf(x.processors), idsOf(x.exporters)}
}

// question is a payload, and what to ask about it.
type question struct {
	payload []byte
	// as is where a receiver puts an object: body, attributes, or text.
	as string
	// processor and exporter are the ids of components, or "" for the first.
	processor, exporter string
}

// explanation is what the running components would make of a payload.
type explanation struct {
	// Shape is what the payload is.
	Shape     string      `json:"shape"`
	Processor string      `json:"processor,omitempty"`
	Exporter  string      `json:"exporter,omitempty"`
	Events    []eventView `json:"events"`
	// Records are what the processor hands on. Sent are the events in the requests to Amplitude.
	Records []*recordView     `json:"records,omitempty"`
	Sent    []json.RawMessage `json:"sent"`
	// Behind is what doesn't become an impression, or isn't sent.
	Behind []behindView `json:"left_behind"`
}

// eventView is a record, or an event of an envelope, as the processor reads it.
type eventView struct {
	// Record is the index of the record in the payload.
	Record int         `json:"record"`
	Type   string      `json:"event_type,omitempty"`
	Layout string      `json:"layout,omitempty"`
	Root   string      `json:"root,omitempty"`
	Path   string      `json:"path,omitempty"`
	Fields []fieldView `json:"fields,omitempty"`
	// Rule is what happens to it, and why.
	Rule string `json:"rule"`
	// Outcome, Operation, and Reason are the labels of the processor's metrics.
	Outcome   string `json:"outcome,omitempty"`
	Operation string `json:"operation,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

type behindView struct {
	// At is processor or exporter, and What is the event.
	At     string `json:"at"`
	What   string `json:"what"`
	Reason string `json:"reason"`
	diagnosis.Finding
}

var errNothingRuns = errors.New("no impression processor and no amplitude exporter runs; put one of them into a pipeline")

// maxExplained is how many records of a payload are explained.
const maxExplained = 1000

func (x *explainers) explain(q *question) (*explanation, error) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	if len(x.processors)+len(x.exporters) == 0 {
		return nil, errNothingRuns
	}
	processor, err := choose(x.processors, q.processor, "processor")
	if err != nil {
		return nil, err
	}
	exporter, err := choose(x.exporters, q.exporter, "exporter")
	if err != nil {
		return nil, err
	}
	logs, shape, err := recordsOf(q.payload, q.as)
	if err != nil {
		return nil, err
	}
	e := &explanation{Shape: shape, Processor: processor, Exporter: exporter, Events: []eventView{}, Sent: []json.RawMessage{}, Behind: []behindView{}}
	if processor != "" {
		x.addEvents(e, x.processors[processor](logs))
		for _, record := range allRecords(logs) {
			e.Records = append(e.Records, viewer{}.record(record))
		}
	}
	if exporter != "" {
		x.addSent(e, x.exporters[exporter](logs))
	}
	return e, nil
}

func idsOf[F any](components map[string]F) []string {
	ids := slices.AppendSeq([]string{}, maps.Keys(components))
	slices.Sort(ids)
	return ids
}

// choose returns the id of a component, or "" if there is none.
func choose[F any](components map[string]F, id, kind string) (string, error) {
	ids := idsOf(components)
	switch {
	case id != "" && !slices.Contains(ids, id):
		return "", fmt.Errorf("%s: %q doesn't run; running: %s", kind, limit(id), strings.Join(ids, ", "))
	case id != "" || len(ids) == 0:
		return id, nil
	default:
		return ids[0], nil
	}
}

func allRecords(logs plog.Logs) []plog.LogRecord {
	var all []plog.LogRecord
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				all = append(all, record)
			}
		}
	}
	return all
}

func (x *explainers) addEvents(e *explanation, events []inspection.Event) {
	for i := range events {
		described := &events[i]
		view := eventView{
			Record: described.Input, Type: described.Type, Layout: described.Layout, Fields: fieldsOf(described),
			Outcome: described.Outcome, Operation: described.Operation, Reason: cmp.Or(described.Reason, described.Problem),
		}
		if described.Problem == "" {
			view.Root, view.Path = "the attributes", typePath(described)
			if described.InBody {
				view.Root = "the body"
			}
		}
		finding, isBehind := x.diagnoser.Of(described)
		if !isBehind && !described.IsListed {
			finding, isBehind = diagnosis.OfName(described.Type, nil)
			isBehind = isBehind && !strings.HasPrefix(described.Type, "[Experiment] ")
		}
		view.Rule = rule(described, finding.Text)
		e.Events = append(e.Events, view)
		if isBehind {
			reason := cmp.Or(described.Problem, described.Reason, described.Outcome, "not_listed")
			what := nameOf(described, fmt.Sprintf("record %d", described.Input))
			e.Behind = append(e.Behind, behindView{"processor", what, reason, finding})
		}
	}
}

// rule words what happens to an event, as in the table of the processor's README.
func rule(e *inspection.Event, finding string) string {
	property := "`[Experiment] " + e.FlagKey + "`"
	switch {
	case e.Problem != "" || e.IsListed && e.Outcome != "transformed" && e.Outcome != "dropped":
		return finding + " It passes unchanged."
	case !e.IsListed:
		return strings.TrimSpace(finding + " Its type isn't one of `event_types`, so it passes unchanged.")
	case e.Operation == "set":
		return fmt.Sprintf("It is an impression of %#q. The user property %s is set to %#q.", e.FlagKey, property, e.Variant)
	case e.Operation != "unset":
		return fmt.Sprintf("It is an impression of %#q. %s", e.FlagKey, finding)
	}
	why := "`metadata.default` is true, or the variant is in `unset_variants`"
	if e.Variant == "" {
		why = "`variant` is missing, null, or empty"
	}
	text := fmt.Sprintf("It is an impression of %#q, but %s: the user property %s is unset.", e.FlagKey, why, property)
	if e.Outcome == "dropped" {
		text += " The impression is removed, because of `unassigned: drop`."
	}
	return text
}

// nameOf names an event for people.
func nameOf(e *inspection.Event, record string) string {
	if e.Type == "" {
		return record
	}
	return limit(e.Type) + " in " + record
}

func (x *explainers) addSent(e *explanation, sent []inspection.Sent) {
	for i := range sent {
		s := &sent[i]
		for _, text := range s.JSON {
			e.Sent = append(e.Sent, text)
		}
		reason := s.Reason
		if s.IsUnpaired {
			reason = "unpaired_update"
		}
		if e.Processor == "" {
			e.Events = append(e.Events, eventView{
				Record: i, Type: s.Type, Layout: s.Layout, Fields: fieldsOf(&s.Event), Reason: reason, Rule: ruleOfExporter(s),
			})
		}
		if reason != "" {
			e.addUnsent(s, i, reason, x.diagnoser)
		}
	}
}

// addUnsent adds an event that the exporter doesn't send, unless the processor has the same finding.
func (e *explanation) addUnsent(s *inspection.Sent, index int, reason string, diagnoser *diagnosis.Diagnoser) {
	finding, record := diagnosis.OfReason(reason), fmt.Sprintf("record %d", index)
	if s.Problem != "" && !s.IsUnpaired {
		finding, _ = diagnoser.Of(&s.Event)
	}
	if e.Processor != "" {
		record += " after the processor"
	}
	if !slices.ContainsFunc(e.Behind, func(b behindView) bool { return b.Finding == finding }) {
		e.Behind = append(e.Behind, behindView{"exporter", nameOf(&s.Event, record), reason, finding})
	}
}

func ruleOfExporter(s *inspection.Sent) string {
	switch {
	case len(s.JSON) == 0:
		return "It isn't sent."
	case s.Type == impression.IdentifyEventType:
		return "It is sent as an update of user properties."
	default:
		return "It is sent as an event."
	}
}

// payloadLimits bound the payload, whose length the server bounds.
var payloadLimits = jsonvalue.Limits{MaxBytes: 1 << 30, MaxDepth: 100, MaxValues: 200_000}

// recordsOf returns the records that a receiver would make of a payload, and says what it is.
func recordsOf(payload []byte, as string) (logs plog.Logs, shape string, err error) {
	payload = bytes.TrimSpace(payload)
	switch {
	case len(payload) == 0:
		return logs, "", errors.New("the payload is empty; give an object, a list, a text, or OTLP JSON")
	case !slices.Contains([]string{"", "body", "attributes", "text"}, as):
		return logs, "", fmt.Errorf("as: %q is not known; allowed: body, attributes, text", limit(as))
	case isOTLP(payload):
		if logs, err = (&plog.JSONUnmarshaler{}).UnmarshalLogs(payload); err != nil {
			return logs, "", fmt.Errorf("the payload begins like OTLP JSON but can't be read: %w", err)
		}
		return bounded(logs, fmt.Sprintf("OTLP JSON with %d log records", logs.LogRecordCount()))
	}
	logs = plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	if as == "text" {
		records.AppendEmpty().Body().SetStr(string(payload))
		return logs, "a text, in the body of a record", nil
	}
	err = jsonvalue.NewParser(payloadLimits).ParseEach(string(payload), func() pcommon.Value { return records.AppendEmpty().Body() })
	if err != nil {
		records.RemoveIf(func(plog.LogRecord) bool { return true })
		records.AppendEmpty().Body().SetStr(string(payload))
		return logs, "a text that isn't JSON, in the body of a record", nil //nolint:nilerr // any text is a payload
	}
	if records.Len() > 1 {
		shape = fmt.Sprintf("%d JSON values, each in a record", records.Len())
	} else {
		shape = shapeOf(records.At(0).Body())
	}
	if as == "attributes" {
		for _, record := range records.All() {
			if record.Body().Type() == pcommon.ValueTypeMap {
				record.Body().Map().MoveTo(record.Attributes())
				pcommon.NewValueEmpty().MoveTo(record.Body())
			}
		}
		shape += ", in the attributes"
	}
	return bounded(logs, shape)
}

func bounded(logs plog.Logs, shape string) (plog.Logs, string, error) {
	if n := logs.LogRecordCount(); n > maxExplained {
		return logs, "", fmt.Errorf("the payload has %d records; allowed: %d", n, maxExplained)
	}
	return logs, shape, nil
}

func isOTLP(payload []byte) bool {
	var request struct {
		ResourceLogs json.RawMessage `json:"resourceLogs"`
	}
	return json.Unmarshal(payload, &request) == nil && request.ResourceLogs != nil
}

func shapeOf(body pcommon.Value) string {
	switch body.Type() {
	case pcommon.ValueTypeSlice:
		return fmt.Sprintf("a JSON list of %d values", body.Slice().Len())
	case pcommon.ValueTypeStr:
		return "a JSON string, whose text is the body of a record"
	case pcommon.ValueTypeMap:
	default:
		return "a JSON value that is neither an object nor a list"
	}
	for _, key := range []string{"batch", "events"} {
		if list, has := body.Map().Get(key); has && list.Type() == pcommon.ValueTypeSlice {
			return fmt.Sprintf("a JSON object with a list of %d values under %q", list.Slice().Len(), key)
		}
	}
	return "a JSON object"
}
