package twilio

import "cmp"

// credentials are what a request is made with.
type credentials struct{ user, password string }

func credentialsOf(c Config) credentials {
	if c.APIKey != "" {
		return credentials{c.APIKey, c.APISecret}
	}
	return credentials{c.AccountSID, c.AuthToken}
}

// renew has an account, whose credentials Twilio may come to refuse while calls go on, try those of the one in its
// place. Where these are for somewhere else, they are of no use, and are not shown there.
func (a *account) renew(by *account) {
	isSamePlace := a.config.BaseURL == by.config.BaseURL &&
		cmp.Or(a.config.Region, defaultRegion) == cmp.Or(by.config.Region, defaultRegion)
	if isSamePlace {
		a.renewed.Store(by)
	}
}

const defaultRegion = "us1"

// others are the credentials to try where the ones given were refused.
func (a *account) others(than credentials) (credentials, bool) {
	by := a.renewed.Load()
	if by == nil {
		return credentials{}, false
	}
	others := *by.credentials.Load()
	return others, others != than
}
