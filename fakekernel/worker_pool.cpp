#include "fakekernel/worker_pool.h"

#include "fakekernel/blocked_signals.h"

#include <system_error>

namespace rdmalab::fakekernel {

WorkerPool::WorkerPool(std::size_t limit) : limit_(limit) {}

WorkerPool::~WorkerPool() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    for (auto& thread : threads_)
        thread.join();
}

void WorkerPool::post(std::function<void()> work) {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
    // An idle thread may have been woken for earlier work and not have taken it yet, hence the comparison.
    if (idle_ < queue_.size() && threads_.size() < limit_) {
        try {
            const BlockedSignals blocked;
            threads_.emplace_back([this] { run(); });
        } catch (const std::system_error&) { // no more threads: the present ones will come to it
            if (threads_.empty()) {
                queue_.pop_back();
                throw;
            }
        }
    }
    wake_.notify_one();
}

void WorkerPool::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        ++idle_;
        wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        --idle_;
        if (queue_.empty())
            return;
        auto work = std::move(queue_.front());
        queue_.pop_front();
        lock.unlock();
        work();
        work = nullptr; // what it holds goes before the next wait
        lock.lock();
    }
}

} // namespace rdmalab::fakekernel
