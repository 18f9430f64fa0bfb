#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

namespace softmoe::coordinator::openssl {

/// Frees what OpenSSL handed out.
template <auto free>
struct Free {
  template <class T>
  void operator()(T* handle) const {
    free(handle);
  }
};

using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using BigNumber = std::unique_ptr<BIGNUM, Free<BN_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Configuration = std::unique_ptr<CONF, Free<NCONF_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Store = std::unique_ptr<X509_STORE, Free<X509_STORE_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, Free<X509_STORE_CTX_free>>;

/// What went wrong last on this thread, in OpenSSL's words; forgets it.
[[nodiscard]] std::string last_error();

/// A memory file that reads `text`, which outlives it.
[[nodiscard]] Bio reader_of(std::string_view text);

}  // namespace softmoe::coordinator::openssl
