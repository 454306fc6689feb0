package dialertest

// RuleNames returns the names of all rules, for the test that each can be broken.
func RuleNames() []string {
	all := rules()
	names := make([]string, len(all))
	for i, r := range all {
		names[i] = r.name
	}
	return names
}
