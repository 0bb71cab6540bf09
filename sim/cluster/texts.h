// Message texts that changed between Kubernetes releases (spec/kubernetes.md, sections 9 and 11).
#pragma once

#include <string>

namespace rdmalab::cluster {

enum class TextProfile { v1_28, v1_31, v1_34, v1_35 };

// "1.28" ... "1.35"; a release between two profiles takes the older one. Throws std::invalid_argument.
TextProfile textProfile(const std::string& release);

struct Texts {
    std::string kubeletVersion;
    bool taintNamed;                      // `... untolerated taint {k: v}` against `... untolerated taint(s)`
    bool newClaims;                       // `no new claims to deallocate, ` before the preemption part
    bool secondDot;                       // the preemption part ends in two dots
    bool podResourcesActiveOnly;          // podresources List hides finished pods
    std::string pulled, created, started; // {0} image or container
};
const Texts& texts(TextProfile profile);

} // namespace rdmalab::cluster
