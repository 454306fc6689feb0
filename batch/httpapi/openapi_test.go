package httpapi

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/dialer"
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

func described(t *testing.T, text []byte) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(text)
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
	return doc
}

func originalDocument(t *testing.T) *openapi3.T {
	t.Helper()
	text, err := os.ReadFile("testdata/original.yaml")
	require.NoError(t, err)
	return described(t, text)
}

// TestOpenAPIKeepsTheOriginal compares the two documents, so that a client of the original finds what it knows.
// CI compares them with oasdiff as well, which sees more.
func TestOpenAPIKeepsTheOriginal(t *testing.T) {
	original, ours := originalDocument(t), described(t, OpenAPI())
	for path, item := range original.Paths.Map() {
		for method, op := range item.Operations() {
			t.Run(method+path, func(t *testing.T) { keepsOperation(t, op, ours.Paths.Value(path).GetOperation(method)) })
			for _, way := range *op.Security {
				require.Contains(t, ours.Security, way)
			}
		}
	}
	for name := range original.Components.SecuritySchemes {
		require.Contains(t, ours.Components.SecuritySchemes, name)
	}
}

func keepsOperation(t *testing.T, old, ours *openapi3.Operation) {
	t.Helper()
	require.NotNil(t, ours)
	require.Equal(t, old.OperationID, ours.OperationID)
	for _, p := range old.Parameters {
		found := ours.Parameters.GetByInAndName(p.Value.In, p.Value.Name)
		require.NotNil(t, found, p.Value.Name)
		keepsRequest(t, p.Value.Name, p.Value.Schema.Value, found.Schema.Value)
	}
	for _, p := range ours.Parameters {
		require.False(t, p.Value.Required && old.Parameters.GetByInAndName(p.Value.In, p.Value.Name) == nil, p.Value.Name)
	}
	for kind, media := range old.RequestBody.Value.Content {
		keepsRequest(t, kind, media.Schema.Value, ours.RequestBody.Value.Content[kind].Schema.Value)
	}
	for status, response := range old.Responses.Map() {
		found := ours.Responses.Value(status)
		require.NotNil(t, found, status)
		for kind, media := range response.Value.Content {
			keepsAnswer(t, kind, media.Schema.Value, found.Value.Content[kind].Schema.Value)
		}
	}
}

// keepsRequest says that whatever could be sent can be sent.
func keepsRequest(t *testing.T, at string, old, ours *openapi3.Schema) {
	t.Helper()
	keepsType(t, at, old, ours)
	require.Subset(t, ours.Enum, old.Enum, at)
	require.Subset(t, old.Required, ours.Required, "%s: more is required", at)
	require.Equal(t, []any{old.Min, old.Max, old.MinItems, old.MaxItems}, []any{ours.Min, ours.Max, ours.MinItems, ours.MaxItems}, at)
	require.Equal(t, []any{old.MinLength, old.MaxLength, old.Pattern}, []any{ours.MinLength, ours.MaxLength, ours.Pattern}, at)
	require.True(t, ours.Nullable || !old.Nullable, at)
	eachField(t, at, old, ours, keepsRequest)
}

// keepsAnswer says that nothing comes that could not come, and everything that had to.
func keepsAnswer(t *testing.T, at string, old, ours *openapi3.Schema) {
	t.Helper()
	keepsType(t, at, old, ours)
	if len(old.Enum) > 0 {
		require.ElementsMatch(t, old.Enum, ours.Enum, "%s: a client's list is closed", at)
	}
	require.Subset(t, ours.Required, old.Required, "%s: less is promised", at)
	require.True(t, old.Nullable || !ours.Nullable, at)
	eachField(t, at, old, ours, keepsAnswer)
}

func keepsType(t *testing.T, at string, old, ours *openapi3.Schema) {
	t.Helper()
	require.Equal(t, old.Type, ours.Type, at)
	require.Equal(t, old.Format, ours.Format, at)
	require.Equal(t, old.AdditionalProperties.Has, ours.AdditionalProperties.Has, at)
}

func eachField(t *testing.T, at string, old, ours *openapi3.Schema, check func(*testing.T, string, *openapi3.Schema, *openapi3.Schema)) {
	t.Helper()
	for name, field := range old.Properties {
		require.Contains(t, ours.Properties, name, at)
		check(t, at+"."+name, field.Value, ours.Properties[name].Value)
	}
	if old.Items != nil {
		check(t, at+"[]", old.Items.Value, ours.Items.Value)
	}
}

func TestOpenAPIHasEveryRoute(t *testing.T) {
	doc := described(t, OpenAPI())
	var want, got []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			want = append(want, method+" "+path)
		}
	}
	for _, rt := range newAPI(Config{}).routes() {
		for method := range rt.methods {
			got = append(got, method+" "+strings.Replace(rt.pattern, "{action}", "cancel", 1))
		}
	}
	require.ElementsMatch(t, want, got)
}

func TestOpenAPIHasEveryWord(t *testing.T) {
	schemas := described(t, OpenAPI()).Components.Schemas
	require.ElementsMatch(t, constants(t, "problem.go", "Code"), words(schemas["Error"].Value.Properties["error_code"].Value.Enum))
	require.Equal(t, texts(dialer.EndReasons()), sorted(words(schemas["EndReason"].Value.Enum)))
	var statuses []string
	for s := fsm.RecipientStatus(0); ; s++ {
		if _, err := fsm.ParseRecipientStatus(s.String()); err != nil {
			break
		}
		statuses = append(statuses, s.String())
	}
	require.ElementsMatch(t, statuses, words(schemas["AgentCallBatchRecipientStatus"].Value.Enum))
	for _, s := range words(schemas["AgentCallBatchStatus"].Value.Enum) {
		_, err := fsm.ParseBatchStatus(s)
		require.NoError(t, err)
	}
	for _, reason := range constants(t, "../waiting.go", "WaitReason") {
		require.Contains(t, schemas["Waiting"].Value.Properties["reason"].Value.Description, "`"+reason+"`")
	}
	require.ElementsMatch(t, versions(), words(described(t, OpenAPI()).Components.Parameters["CartesiaVersionHeader"].Value.Schema.Value.Enum))
}

// constants are the values of the string constants that a file has of a type.
func constants(t *testing.T, file, kind string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	require.NoError(t, err)
	var found []string
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == kind {
			for _, v := range spec.Values {
				s, err := strconv.Unquote(v.(*ast.BasicLit).Value)
				require.NoError(t, err)
				found = append(found, s)
			}
		}
		return true
	})
	require.NotEmpty(t, found)
	return found
}

func words(enum []any) []string {
	out := make([]string, len(enum))
	for i, v := range enum {
		out[i] = v.(string)
	}
	return out
}

func texts(reasons []dialer.EndReason) []string {
	var out []string
	for _, r := range reasons {
		out = append(out, string(r))
	}
	return sorted(out)
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

func TestOpenAPIHasTheBounds(t *testing.T) {
	fields := described(t, OpenAPI()).Components.Schemas["AgentCallBatchRequest"].Value.Properties
	bounds := func(name string) [2]int {
		return [2]int{int(*fields[name].Value.Min), int(*fields[name].Value.Max)}
	}
	require.Equal(t, [2]int{1, batch.MaxWeight}, bounds("weight"))
	require.Equal(t, [2]int{int(batch.MinRingTimeout / time.Second), int(batch.MaxRingTimeout / time.Second)}, bounds("ringing_timeout_seconds"))
	require.Equal(t, [2]int{int(batch.MinMaxDuration / time.Minute), int(batch.MaxMaxDuration / time.Minute)}, bounds("max_call_duration_minutes"))
	require.EqualValues(t, store.MaxRecipients, *fields["recipients"].Value.MaxItems)
	require.Contains(t, fields["name"].Value.Description, strconv.Itoa(batch.MaxNameLength))
	limit := described(t, OpenAPI()).Components.Parameters["Limit"].Value.Schema.Value
	require.Equal(t, maxLimit, int(*limit.Max))
	require.EqualValues(t, defaultLimit, limit.Default)
	require.Contains(t, described(t, OpenAPI()).Components.Parameters["IdempotencyKey"].Value.Description, strconv.Itoa(maxKey))
}

// Every error of the document is the same object, and says what every answer has.
func TestOpenAPIErrorsAreAlike(t *testing.T) {
	doc := described(t, OpenAPI())
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status, response := range op.Responses.Map() {
				require.Subset(t, slices.Collect(maps.Keys(response.Value.Headers)),
					[]string{"X-Request-Id", "Cache-Control", "X-Content-Type-Options"}, "%s %s %s", method, path, status)
				if code, _ := strconv.Atoi(status); code >= http.StatusBadRequest {
					require.Equal(t, "#/components/schemas/Error", response.Value.Content["application/json"].Schema.Ref)
				}
			}
		}
	}
}

func TestOpenAPIIsACopy(t *testing.T) {
	clear(OpenAPI())
	require.True(t, strings.HasPrefix(string(OpenAPI()), "openapi: 3.0"))
}
