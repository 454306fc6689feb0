package memory

// FeedLen is how many entries the feed of an organisation has.
func (s *Store) FeedLen(org string) int { return len(s.orgs[org].feed) }
