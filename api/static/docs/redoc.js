// ReDoc. Without its search: it would need a worker made of text, which the page's policy forbids.
load((text) => Redoc.init(text, { disableSearch: true }, document.getElementById("redoc")));
