package memory

// FeedLen is how many entries the feed of an organisation has.
func (s *Store) FeedLen(org string) int { return len(s.orgs[org].feed) }

// QueueCap is for how many recipients of a batch that were put back there is room.
func (s *Store) QueueCap(org, batch string) int { return cap(s.orgs[org].byID[batch].queue.again) }
