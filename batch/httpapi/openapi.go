package httpapi

import (
	_ "embed"
	"net/http"
	"strconv"
)

//go:embed openapi.yaml
var document string

// OpenAPI returns the description of the API, an OpenAPI 3.0 document in YAML. It is what
// /openapi.yaml answers with.
func OpenAPI() []byte { return []byte(document) }

// openapi answers with the document, to anybody.
func (*api) openapi(w http.ResponseWriter, _ *request) error {
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("Content-Length", strconv.Itoa(len(document)))
	_, _ = w.Write([]byte(document)) // whoever has hung up needs no answer
	return nil
}
