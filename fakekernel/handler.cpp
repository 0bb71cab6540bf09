#include "fakekernel/handler.h"

namespace rdmalab::fakekernel {

std::optional<Answer> Handler::glance(CallView&) {
    return std::nullopt;
}

HandlerChain::HandlerChain(std::vector<std::shared_ptr<Handler>> handlers) {
    for (auto& handler : handlers) {
        Member member{std::move(handler), {}};
        member.handler->trap(member.own);
        members_.push_back(std::move(member));
    }
}

void HandlerChain::trap(Filter& filter) const {
    for (const auto& member : members_)
        member.handler->trap(filter);
}

std::optional<Answer> HandlerChain::glance(CallView& call) {
    for (const auto& member : members_) {
        if (!member.own.traps(call.number()))
            continue;
        auto answer = member.handler->glance(call);
        if (!answer || answer->kind() != Answer::Kind::proceed)
            return answer;
    }
    return Answer::proceed();
}

Answer HandlerChain::handle(CallView& call) {
    for (const auto& member : members_) {
        if (!member.own.traps(call.number()))
            continue;
        auto answer = member.handler->glance(call);
        if (!answer)
            answer = member.handler->handle(call);
        if (answer->kind() != Answer::Kind::proceed)
            return std::move(*answer);
    }
    return Answer::proceed();
}

} // namespace rdmalab::fakekernel
