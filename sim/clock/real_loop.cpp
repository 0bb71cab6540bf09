#include "sim/clock/real_loop.h"

#include "util/syscall.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

namespace rdmalab::clock {

namespace {
TimePoint monotonic() {
    return std::chrono::steady_clock::now().time_since_epoch();
}
} // namespace

RealLoop::RealLoop()
    : epoll_(checked("epoll_create1", ::epoll_create1(EPOLL_CLOEXEC))),
      wake_(checked("eventfd", ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))), start_(monotonic()) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = wake_.get()}};
    checked("epoll_ctl add eventfd", ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event));
}

RealLoop::~RealLoop() = default;

TimePoint RealLoop::now() const {
    return monotonic() - start_;
}

void RealLoop::post(Action action) {
    {
        const std::lock_guard lock(mutex_);
        posted_.push_back(std::move(action));
    }
    const std::uint64_t one = 1;
    // A full counter already wakes the loop, so EAGAIN is as good as success.
    [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

void RealLoop::watch(int fd, Action onReadable) {
    watched_[fd] = std::move(onReadable);
    epoll_event event{.events = EPOLLIN | EPOLLRDHUP, .data = {.fd = fd}};
    checked("epoll_ctl add", ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event));
}

void RealLoop::unwatch(int fd) {
    if (watched_.erase(fd) != 0)
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

bool RealLoop::runPosted(const std::function<bool()>& done) {
    for (;;) {
        Action action;
        {
            const std::lock_guard lock(mutex_);
            if (posted_.empty())
                return false;
            action = std::move(posted_.front());
            posted_.erase(posted_.begin());
        }
        action();
        if (done())
            return true;
    }
}

bool RealLoop::runUntil(const std::function<bool()>& done, Duration limit) {
    const TimePoint end = limit < Duration::zero() ? TimePoint::max() : now() + limit;
    if (done())
        return true;
    for (;;) {
        if (runPosted(done))
            return true;
        while (runDueTimer(now()))
            if (done())
                return true;
        if (now() >= end)
            return done();

        const TimePoint next = std::min(end, hasTimer() ? nextTimer() : TimePoint::max());
        int timeout = -1;
        if (next != TimePoint::max()) {
            // Rounded up, or the loop would spin through the last millisecond.
            const auto wait = std::chrono::ceil<std::chrono::milliseconds>(std::max(next - now(), Duration::zero()));
            timeout = static_cast<int>(std::min<std::int64_t>(wait.count(), 3'600'000));
        }
        epoll_event events[16];
        const int count = ::epoll_wait(epoll_.get(), events, 16, timeout);
        if (count < 0 && errno != EINTR)
            throw SystemError("epoll_wait", errno);
        for (int i = 0; i < count; ++i) {
            const int fd = events[i].data.fd;
            if (fd == wake_.get()) {
                std::uint64_t ignored;
                [[maybe_unused]] const auto got = ::read(fd, &ignored, sizeof ignored);
                continue;
            }
            const auto found = watched_.find(fd);
            if (found == watched_.end())
                continue;                        // unwatched by an earlier action of this round
            const Action action = found->second; // a copy: the action may unwatch itself
            action();
            if (done())
                return true;
        }
    }
}

} // namespace rdmalab::clock
