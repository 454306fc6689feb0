package twilio

import (
	"context"
	"errors"
	"fmt"

	rest "github.com/twilio/twilio-go/rest/api/v2010"
)

// Probe reads the account, see [dialer.Prober]. The error says if Twilio does not accept the
// credentials, or if the account is suspended, closed or a trial.
func (d *Dialer) Probe(ctx context.Context) error {
	a, err := d.account.api(ctx).FetchAccount(d.config.AccountSID)
	if err == nil {
		return stateOf(a)
	}
	f := asFailure(err)
	if d.config.APIKey != "" && (f.fate == barred || f.fate == absent) {
		// A key that may place calls need not be one that may read the account.
		_, err := d.account.api(ctx).PageCall((&rest.ListCallParams{}).SetPageSize(1), "", "")
		if err == nil {
			return nil
		}
		f = asFailure(err)
	}
	return probeError(f)
}

func stateOf(a *rest.ApiV2010Account) error {
	switch status, kind := text(a.Status), text(a.Type); {
	case status == "suspended":
		return errors.New("twilio: the account is suspended: Twilio's console says why")
	case status == "closed":
		return errors.New("twilio: the account is closed")
	case status != "active":
		return fmt.Errorf("twilio: the account is %.20q: expected active", status)
	case kind == "Trial":
		return errors.New("twilio: the account is a trial: it calls verified numbers only, for ten minutes at " +
			"most, and plays a message first")
	}
	return nil
}

func probeError(f *failure) error {
	switch {
	case f.code == codeInactive || f.code == codeNotActive || f.code == codeSuspended:
		return fmt.Errorf("twilio: the account is not active: it may be suspended, or out of funds (%w)", f)
	case f.code == codeVoiceDisabled:
		return fmt.Errorf("twilio: the account makes no calls: voice is disabled for it (%w)", f)
	case f.fate == absent:
		return fmt.Errorf("twilio: there is no account with this SID (%w)", f)
	case f.fate == barred:
		return fmt.Errorf("twilio: the SID and its token, or the API key and its secret, are not accepted (%w)", f)
	}
	return fmt.Errorf("twilio: the account cannot be read: %w", f)
}
