#include "fakesysfs/fuse/tree_mount.h"

namespace rdmalab::fakesysfs {

TreeMount::TreeMount(FuseService::Impl& service, const void* machine, Tree& tree, TreeLock& lock, const std::string& path)
    : tree_(tree, lock), viewers_(machine ? service.viewersOf(machine) : std::make_shared<Viewers>()), point_(path),
      session_(point_, tree_, service.writers(), *viewers_),
      invalidator_(
          std::make_shared<Invalidator>(tree_, service.invalidators(), [this](const Stale& stale) { session_.send(stale); })) {
    viewers_->add(invalidator_);
}

TreeMount::~TreeMount() {
    // The session still answers until writes and invalidations are through, in case the connection could not be ended.
    point_.detach();
    viewers_->remove(invalidator_.get());
    invalidator_->stop();
    session_.stopWriting();
}

std::size_t TreeMount::knownInodes() {
    const auto access = tree_.lock();
    return tree_.knownInodes();
}

} // namespace rdmalab::fakesysfs
