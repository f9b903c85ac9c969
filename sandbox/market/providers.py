"""The 41 marketplaces of CS2Cap: names, fees, and the share of the catalog that each of them lists."""

from typing import NamedTuple


class Provider(NamedTuple):
    """One marketplace; fees are fractions, `coverage` the share of the catalog that it lists."""

    key: str
    name: str
    market_type: str
    currency: str
    sell_fee: float
    coverage: float


_TABLE = """
avanmarket,Avan.Market,p2p,USD,0.05,0.48
buff163,BUFF163,p2p,CNY,0.025,0.90
buffmarket,BUFF Market,p2p,USD,0.04,0.66
c5,C5Game,p2p,CNY,0.05,0.79
csdeals,CS.Deals,p2p,USD,0.02,0.30
csfloat,CSFloat,p2p,USD,0.02,0.80
csgo500,CSGO500,p2p,USD,0.06,0.22
csgoempire,CSGOEmpire,p2p,USD,0.06,0.42
csmoney_m,CS.MONEY Market,p2p,USD,0.05,0.55
csmoney_t,CS.MONEY Trade,trading,USD,0.07,0.33
cstrade,CS.TRADE,trading,USD,0.08,0.27
dmarket,DMarket,p2p,USD,0.05,0.74
dupefi,DupeFi,p2p,USD,0.03,0.12
ecosteam,ECOSteam,p2p,CNY,0.01,0.62
gameboost,GameBoost,p2p,EUR,0.10,0.14
haloskins,HaloSkins,p2p,USD,0.05,0.64
itradegg,iTrade.gg,trading,USD,0.08,0.16
lisskins,LIS-SKINS,store,USD,0.08,0.54
lootfarm,Loot.Farm,trading,USD,0.05,0.36
mannco,Mannco.store,p2p,EUR,0.05,0.38
marketcsgo,Market.CSGO,p2p,USD,0.05,0.82
pirateswap,PirateSwap,trading,USD,0.06,0.26
rapidskins,RapidSkins,trading,USD,0.07,0.13
shadowpay,ShadowPay,p2p,USD,0.05,0.56
skinbaron,SkinBaron,p2p,EUR,0.15,0.51
skinflow,SkinFlow,trading,USD,0.06,0.11
skinland,Skin.Land,store,USD,0.08,0.44
skinout,SkinOut,store,USD,0.08,0.18
skinplace,Skin.Place,store,USD,0.09,0.20
skinport,Skinport,p2p,EUR,0.08,0.78
skinscom,Skins.com,p2p,USD,0.05,0.24
skinsmonkey,SkinsMonkey,trading,USD,0.06,0.34
skinswap,SkinSwap,trading,USD,0.07,0.23
skinswap_t,SkinSwap Trade,trading,USD,0.07,0.19
skinvault,SkinVault,p2p,USD,0.05,0.15
steam,Steam Community Market,p2p,USD,0.15,0.92
swapgg,Swap.gg,trading,USD,0.06,0.31
tradeit,Tradeit.gg,trading,USD,0.07,0.40
waxpeer,Waxpeer,p2p,USD,0.06,0.68
whitemarket,White.Market,p2p,USD,0.05,0.60
youpin,Youpin898,p2p,CNY,0.01,0.88
"""
PROVIDERS = tuple(  # in the order of their keys, which is the order of an item's rows in a listing
    Provider(key, name, market_type, currency=currency, sell_fee=float(fee), coverage=float(coverage))
    for key, name, market_type, currency, fee, coverage in (
        line.split(",") for line in _TABLE.split("\n")[1:-1]
    )
)
KEYS = tuple(provider.key for provider in PROVIDERS)
INDEX = {key: position for position, key in enumerate(KEYS)}
# The positions of the providers of which the API knows sales.
SELLERS = tuple(
    INDEX[key] for key in ("buff163", "c5", "csfloat", "csgo500", "csgoempire", "dmarket", "youpin")
)
