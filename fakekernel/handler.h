// What a supervised process asks for, and what it gets: the interface between the supervisor and those who answer.
#pragma once

#include "fakekernel/answer.h"
#include "fakekernel/call_view.h"
#include "fakekernel/filter.h"

#include <memory>
#include <optional>
#include <vector>

namespace rdmalab::fakekernel {

// Answers the trapped calls of process trees; what it knows besides (node, pod) is its own matter. Both functions are called
// from several threads at once. What they throw becomes the caller's errno: SystemError its code, std::bad_alloc ENOMEM,
// anything else EIO; CallerGone is silent.
class Handler {
public:
    virtual ~Handler() = default;

    // Adds what must be trapped for it. sendmsg(2) on a low descriptor must not be: a starting process hands over its listener
    // with it, and nobody listens yet.
    virtual void trap(Filter& filter) const = 0;

    // On the supervisor's own thread, which serves all process trees: decides by registers or by what is in memory already.
    // It must not block, so it does not read the caller's memory either (that may lie on a slow file). Nothing: handle() decides.
    virtual std::optional<Answer> glance(CallView& call);

    // On a worker thread: may block. Answer::proceed() for what is not its own.
    virtual Answer handle(CallView& call) = 0;
};

// Several handlers for one process tree, asked in order until one does not say "proceed". A kernel allows only one supervisor
// for a process, so all faces of the fake kernel share one filter.
class HandlerChain : public Handler {
public:
    explicit HandlerChain(std::vector<std::shared_ptr<Handler>> handlers);

    void trap(Filter& filter) const override;
    std::optional<Answer> glance(CallView& call) override;
    Answer handle(CallView& call) override; // asks each one's glance() again before its handle()

private:
    struct Member {
        std::shared_ptr<Handler> handler;
        Filter own;
    };
    std::vector<Member> members_;
};

} // namespace rdmalab::fakekernel
