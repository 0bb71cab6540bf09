#include "fakesysfs/fuse/invalidator.h"

#include <algorithm>

namespace rdmalab::fakesysfs {

void Invalidator::changed(const Changes& changes) {
    const std::lock_guard lock(mutex_);
    if (stopped_)
        return;
    pending_.everything |= changes.everything;
    pending_.instances.insert(changes.instances.begin(), changes.instances.end());
    ++asked_;
    if (!working_) {
        workers_.run([this] { work(); });
        working_ = true;
    }
}

void Invalidator::work() {
    std::unique_lock lock(mutex_);
    while (forgotten_ != asked_ && !stopped_) {
        const std::uint64_t until = asked_;
        const Changes changes = std::exchange(pending_, {});
        lock.unlock();
        Stale stale;
        {
            const auto access = tree_.lock();
            stale = tree_.stale(changes);
        }
        // Without any lock: the kernel may be waiting for an answer of ours before it lets go of the directory.
        send_(stale);
        lock.lock();
        forgotten_ = until;
        done_.notify_all();
    }
    working_ = false;
    done_.notify_all();
}

bool Invalidator::settle(std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    const std::uint64_t until = asked_;
    return done_.wait_until(lock, deadline, [&] { return forgotten_ >= until || stopped_; });
}

void Invalidator::stop() {
    std::unique_lock lock(mutex_);
    stopped_ = true;
    done_.notify_all();
    done_.wait(lock, [this] { return !working_; });
}

void Viewers::add(std::shared_ptr<Invalidator> one) {
    const std::lock_guard lock(mutex_);
    all_.push_back(std::move(one));
}

void Viewers::remove(const Invalidator* one) {
    const std::lock_guard lock(mutex_);
    std::erase_if(all_, [one](const auto& each) { return each.get() == one; });
}

bool Viewers::settle(std::chrono::steady_clock::time_point deadline) {
    std::vector<std::shared_ptr<Invalidator>> all;
    {
        const std::lock_guard lock(mutex_);
        all = all_;
    }
    return std::all_of(all.begin(), all.end(), [&](const auto& each) { return each->settle(deadline); });
}

} // namespace rdmalab::fakesysfs
