package sip

import (
	"slices"
	"sync/atomic"

	msg "github.com/emiago/sipgo/sip"

	"github.com/outdial/outdial/dialer"
)

// past is what stays of a call that is over, for as long as something may still come for it. At
// hundreds of calls a second there are thousands of them, so it is bytes rather than messages.
type past struct {
	id      string // Call-ID
	call    string // dialer.Call.ID
	tag     string // ours
	invites []pastInvite
	dialogs []pastDialog // which are all over
	removes []func()     // what lets their peers send to us
}

type pastDialog struct {
	tag     string // theirs
	numbers *atomic.Uint32
}

type pastInvite struct {
	t         *trunk
	hop       hop
	flow      *flow
	cred      *credentials
	branch    string
	raw       []byte
	foreign   bool // the server is none that the trunk's credentials are for
	heard     bool
	cancelled bool
	acks      *acks // nil: there is none
	over      *settled
}

// bury makes the past of a call.
func (c *call) bury() *past {
	p := &past{id: c.id, call: c.in.ID, tag: c.tag}
	c.mu.Lock()
	defer c.mu.Unlock()
	for branch, inv := range c.invites {
		if inv.re == nil {
			p.invites = append(p.invites, inv.bury(branch))
		}
	}
	for tag, g := range c.dialogs {
		p.dialogs = append(p.dialogs, pastDialog{tag, g.numbers})
		p.removes = append(p.removes, g.given()...)
	}
	return p
}

// bury writes the request down and, unless something is still to be done with it, empties it: sipgo keeps
// the transaction, and the request with it, for 64*T1.
func (inv *invite) bury(branch string) pastInvite {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	p := pastInvite{
		t: inv.t, hop: inv.hop, flow: inv.flow, branch: branch, raw: inv.raw,
		heard: inv.heard, cancelled: inv.cancelled || inv.chosen, acks: inv.acks, // nor is an answer cancelled
	}
	if inv.inUse {
		p.over = inv.waited()
	}
	p.foreign = inv.cred.user == ""
	if inv.cred.known() {
		p.cred = inv.cred
	}
	if !inv.inUse {
		*inv.req = msg.Request{}
	}
	inv.buried = true
	return p
}

// stray takes a late response. What needs no more than an ACK that is there is done here, for the rest the
// call is raised.
func (p *past) stray(d *Dialer, res *msg.Response) {
	i := slices.IndexFunc(p.invites, func(inv pastInvite) bool { return inv.branch == branchOf(res) })
	if i < 0 || fromTag(res) != p.tag {
		return
	}
	inv := p.invites[i]
	if res.IsSuccess() && inv.acks != nil {
		ack, known := inv.acks.again(toTag(res))
		if ack != nil {
			d.deliver(ack.flow, inv.hop, ack.raw)
		}
		if known {
			return
		}
	}
	if res.IsProvisional() && inv.cancelled {
		return
	}
	if c := p.raise(d); c != nil {
		if inv := c.invite(branchOf(res)); inv != nil {
			inv.stray(res)
		}
	}
}

// overheard raises the call if the INVITE with that branch has to be cancelled now that it is heard of, or returns nil.
func (p *past) overheard(d *Dialer, branch string) *call {
	for _, inv := range p.invites {
		if inv.branch == branch && !inv.cancelled {
			return p.raise(d)
		}
	}
	return nil
}

// raise makes a call of the past again.
func (p *past) raise(d *Dialer) *call {
	c := &call{
		d: d, in: dialer.Call{ID: p.call}, id: p.id, tag: p.tag, ends: make(chan ending, 1),
		answered: make(chan struct{}), invites: map[string]*invite{}, dialogs: map[string]*dialog{}, removes: p.removes,
		before: p.dialogs,
	}
	for _, old := range p.invites {
		m, err := msg.ParseMessage(old.raw)
		req, ok := m.(*msg.Request)
		if err != nil || !ok {
			continue
		}
		inv := &invite{
			c: c, t: old.t, hop: old.hop, flow: old.flow, req: req, cred: old.cred,
			heard: old.heard, givenUp: true, cancelled: old.cancelled, acks: old.acks, over: old.over,
		}
		if inv.cred == nil {
			inv.cred = old.t.credentials()
			if old.foreign {
				inv.cred = &credentials{}
			}
		}
		c.note(inv)
	}
	return d.book.raise(p, c)
}

// request answers what comes in a dialog that is over. A BYE may have crossed ours.
func (p *past) request(d *Dialer, req *msg.Request, tx msg.ServerTransaction) {
	knows := func(g pastDialog) bool { return g.tag == fromTag(req) }
	if req.Method == msg.BYE && toTag(req) == p.tag && slices.ContainsFunc(p.dialogs, knows) {
		d.respond(tx, req, msg.StatusOK, "OK")
		return
	}
	d.respond(tx, req, msg.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
}

// moveTo has a past use the flows of another dialer at the same port, which lets its servers send. Connections of the
// old one are lost, and replaced where something has to leave.
func (p *past) moveTo(d *Dialer) {
	for i := range p.invites {
		inv := &p.invites[i]
		p.removes = append(p.removes, d.peers.add(inv.flow.remote.Addr()))
		if inv.flow.transport != UDP {
			continue
		}
		if f, err := d.flows.packet(inv.flow.remote); err == nil {
			f.hold()
			inv.flow.release()
			inv.flow = f
		}
	}
}

// forget is called when nothing can come any more.
func (p *past) forget() {
	release(p.removes)
	for _, inv := range p.invites {
		inv.flow.release()
	}
}
