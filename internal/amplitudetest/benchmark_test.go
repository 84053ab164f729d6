// SPDX-License-Identifier: Apache-2.0

package amplitudetest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
)

// serve calls the server as a handler, without a connection.
func serve(s *Server, method, path, body string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, httptest.NewRequest(method, path, strings.NewReader(body)))
	return recorder
}

// BenchmarkUpload receives requests with 500 impressions and their $identify events over a connection. The maximum rate
// on one core, in events per second, is 1e9 / (ns/event).
func BenchmarkUpload(b *testing.B) {
	const pairs = 500
	for name, options := range map[string][]Option{"all": nil, "compact": {WithCompact("n")}} {
		b.Run(name, func(b *testing.B) {
			s := Start(b, options...)
			bodies := make([]string, 0, 64)
			for range cap(bodies) {
				bodies = append(bodies, impressions(len(bodies), pairs))
			}
			url := s.URL(amplitude.HTTPV2)
			b.SetBytes(int64(len(bodies[0])))
			for i := 0; b.Loop(); i++ {
				if i%len(bodies) == 0 {
					s.Reset()
				}
				response, err := http.Post(url, "application/json", strings.NewReader(bodies[i%len(bodies)])) //nolint:noctx // never canceled
				if err != nil {
					b.Fatal(err)
				}
				if _, err = io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
					b.Fatal(response.Status, err)
				}
				if err := response.Body.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(2*pairs), "ns/event")
		})
	}
}

func impressions(request, pairs int) string {
	events := make([]string, 0, 2*pairs)
	for i := range pairs {
		ids := fmt.Sprintf(`"user_id":"user-%d@example.com","device_id":"C8F9E604-F01A-4BD9-95C6-%012d","time":%d`, i, i, 1396381378123+request)
		events = append(events,
			fmt.Sprintf(`{"event_type":"$identify",%s,"insert_id":"%d-%d-user-property","user_properties":{"$set":{"[Experiment] flag-%d":"treatment"}}}`, ids, request, i, i%7),
			fmt.Sprintf(`{"event_type":"[Experiment] Impression",%s,"insert_id":"%d-%d","session_id":1396381378000,"platform":"Web","event_properties":{`+
				`"[Experiment] Flag Key":"flag-%d","[Experiment] Variant":"treatment","[Experiment] Experiment Key":"exp-1","n":%d,`+
				`"metadata":{"deliveryMethod":"web","flagType":"experiment","flagVersion":7,"default":false,"experimentKey":"exp-1",`+
				`"segmentName":"All Other Users","url":"https://www.example.com/products/index.html?ref=campaign"}}}`, ids, request, i, i%7, i))
	}
	return body(events...)
}
