package httpapi_test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/dialer/fake"
)

// scene is a batch with a recipient of each kind, one minute after its creation at the
// beginning of a bubble's time, which is 2000-01-01T00:00:00Z.
type scene struct {
	*world

	created    answer
	id         string
	recipients []object
	names      *strings.Replacer // of ids
}

func newScene(t *testing.T) *scene {
	t.Helper()
	w := newWorld(t, nil)
	w.script(0, fake.Behaviour{Ring: 4 * time.Second, Talk: 6 * time.Second, Details: map[string]string{"sip_code": "200", "a\"b": "c"}})
	w.script(1, fake.Behaviour{End: dialer.DialBusy, Ring: time.Second})
	w.script(2, fake.Behaviour{Fault: fake.Refuse, Message: "no such \"number\""})
	w.script(3, fake.Behaviour{Ring: 1500 * time.Millisecond, Talk: time.Hour})
	w.script(5, fake.Behaviour{Talk: time.Hour})
	w.script(4, fake.Behaviour{End: dialer.DialNoAnswer, Ring: fake.Forever})
	body := `{"name":"Ärzte \"A\" <b>\u2028","agent_id":"agent","from_number_id":"number","target_concurrency_limit":2,
		"weight":3,"max_call_duration_minutes":90,"recipients":[
		{"to_number":"+12025550000","metadata":{"z":12345678901234567890, "a":[1.0,"\u00e9"]}},
		{"to_number":"+12025550001","metadata":null},{"to_number":"+12025550002"},{"to_number":"+12025550003"},
		{"to_number":"+12025550004"},{"to_number":"+12025550005","metadata":{}},{"to_number":"+12025550006"}]}`
	made := w.post(batchesPath, body)
	s := &scene{world: w, created: made, id: made.is(t, http.StatusCreated).text("id")}
	w.run()
	pass(time.Minute)
	s.recipients = w.get(batchesPath+"/"+s.id).is(t, http.StatusOK).list("recipients")
	pairs := []string{s.id, "BATCH"}
	for _, c := range w.get("/agents/calls?agent_id=agent").is(t, http.StatusOK).list("data") {
		pairs = append(pairs, c.text("id"), "CALL"+strings.TrimPrefix(c.object("telephony_params").text("to"), "+1202555000"))
	}
	for i, r := range s.recipients {
		pairs = append(pairs, r.text("id"), fmt.Sprintf("RECIPIENT%d", i))
	}
	s.names = strings.NewReplacer(pairs...)
	return s
}

// requireGolden compares with a file, member by member, with ids replaced by names.
func (s *scene) requireGolden(name string, status int, got answer) {
	s.tb.Helper()
	got.is(s.tb, status)
	want, err := os.ReadFile("testdata/answers/" + name + ".json")
	require.NoError(s.tb, err)
	// How many steps it took is the engine's matter.
	shown := regexp.MustCompile(`"cursor":"[1-9]\d*"`).ReplaceAllString(s.names.Replace(got.body), `"cursor":"CURSOR"`)
	require.JSONEq(s.tb, string(want), shown)
}

func TestEveryObjectFieldByField(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newScene(t)
		batch, recipient := batchesPath+"/"+s.id, batchesPath+"/"+s.id+"/recipients/"
		s.requireGolden("created", http.StatusCreated, s.created)
		s.requireGolden("batch", http.StatusOK, s.get(batch))
		s.requireGolden("batches", http.StatusOK, s.get(batchesPath))
		s.requireGolden("recipients", http.StatusOK, s.get(batch+"/recipients"))
		s.requireGolden("recipient", http.StatusOK, s.get(recipient+s.recipients[5].text("id")))
		s.requireGolden("attempts", http.StatusOK, s.get(recipient+s.recipients[2].text("id")+"/calls"))
		// Those that began later began in the same millisecond, in which their order is by chance.
		s.requireGolden("calls", http.StatusOK, s.get("/agents/calls?batch_id="+s.id+"&start_time_lte=2000-01-01T00:00:00Z"))
		for i, name := range map[int]string{0: "completed_call", 1: "failed_call", 3: "started_call", 4: "created_call"} {
			s.requireGolden(name, http.StatusOK, s.get("/agents/calls/"+s.recipients[i].text("agent_call_id")))
		}
		s.requireGolden("cancelled_call", http.StatusOK, s.post("/agents/calls/"+s.recipients[4].text("agent_call_id")+"/cancel", ""))
		pass(time.Second) // in which the call is cancelled and the next one begins
		s.requireGolden("cancelled", http.StatusOK, s.post(batch+"/cancel", "{}"))
	})
}

// JSONEq would take 12345678901234567890 and 12345678901234567000 for the same.
func TestMetadataIsGivenBackByteForByte(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newScene(t)
		const whole = `"metadata":{"z":12345678901234567890, "a":[1.0,"\u00e9"]}`
		for _, path := range []string{
			batchesPath + "/" + s.id, batchesPath + "/" + s.id + "/recipients",
			batchesPath + "/" + s.id + "/recipients/" + s.recipients[0].text("id"),
			"/agents/calls/" + s.recipients[0].text("agent_call_id"),
		} {
			require.Contains(t, s.get(path).body, whole, path)
		}
	})
}
