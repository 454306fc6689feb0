package main

import (
	"fmt"

	"github.com/outdial/outdial/batch/httpapi"
)

type keyCmd struct{}

// keyJSON is a new key.
type keyJSON struct {
	Key          string `json:"key"`
	Hash         string `json:"sha256"` // as api_keys of the configuration has it
	Organisation string `json:"organisation,omitempty"`
}

// Run makes a key. It is kept nowhere.
func (c *keyCmd) Run(a *app) error { //nolint:unparam // a command may fail
	key := httpapi.NewKey()
	k := keyJSON{Key: key, Hash: fmt.Sprintf("sha256:%x", httpapi.HashKey(key)), Organisation: a.cli.Org}
	if a.cli.JSON {
		a.printJSON(document{Key: &k})
		return nil
	}
	a.print("%s%s\napi_keys: [\"%s\"]\n", keyLine, k.Key, k.Hash)
	org := "its organisation"
	if k.Organisation != "" {
		org = "the organisation " + k.Organisation
	}
	a.say("The first line is for whoever calls the HTTP interface, and is not shown again.")
	a.say("The second one belongs in the configuration, under %s. It is of no use to others.", org)
	return nil
}
