#include "harness/kubelet/unix_dialer.h"

#include "plugins/device/grpc/unix_channel.h"
#include "util/syscall.h"

#include <algorithm>

namespace rdmalab::harness {

namespace {

using Answer = cluster::Result<std::shared_ptr<UniqueFd>>;

struct Dial {
    clock::EventLoop& loop;
    std::string path;
    clock::TimePoint deadline;
    clock::Duration pause;
    std::weak_ptr<void> owner;
    std::function<void(Answer)> reply;

    static void attempt(const std::shared_ptr<Dial>& self) {
        if (self->owner.expired())
            return;
        try {
            self->reply(Answer::success(std::make_shared<UniqueFd>(plugin::connectUnix(self->path))));
            return;
        } catch (const SystemError& e) {
            const bool mayComeYet = e.code() == ENOENT || e.code() == ECONNREFUSED || e.code() == EAGAIN;
            if (!mayComeYet)
                return self->reply(Answer::failure(goErrnoText(e.code())));
        }
        if (self->loop.now() >= self->deadline)
            return self->reply(Answer::failure("context deadline exceeded"));
        const auto pause = std::min(self->pause, std::max(self->deadline - self->loop.now(), clock::Duration::zero()));
        self->pause = std::min<clock::Duration>(self->pause * 2, std::chrono::milliseconds(100));
        self->loop.after(pause, [self] { attempt(self); });
    }
};

} // namespace

void dialUnix(clock::EventLoop& loop, const std::string& path, clock::Duration limit, std::weak_ptr<void> owner,
              std::function<void(Answer)> reply) {
    auto dial = std::make_shared<Dial>(
        Dial{loop, path, loop.now() + limit, std::chrono::milliseconds(1), std::move(owner), std::move(reply)});
    loop.post([dial] { Dial::attempt(dial); });
}

} // namespace rdmalab::harness
